// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {DepositFactory} from "../src/DepositFactory.sol";
import {HotVault} from "../src/HotVault.sol";

/// @notice A token that fails in every way that one can, chosen by the test.
contract HostileToken {
    enum Habit {
        Honest,
        ReturnsFalse,
        Reverts,
        ReturndataBomb,
        RevertBomb,
        BurnsAllGas,
        Reenters,
        LiesAboutBalance,
        ShortAnswer,
        BalanceReverts
    }

    Habit public habit;
    DepositFactory private _factory;
    mapping(address holder => uint256) private _balances;

    error HostileRevert();

    constructor(Habit habit_, DepositFactory factory) {
        (habit, _factory) = (habit_, factory);
    }

    function mint(address to, uint256 amount) external {
        _balances[to] += amount;
    }

    function balanceOf(address holder) external view returns (uint256) {
        if (habit == Habit.LiesAboutBalance) return uint256(keccak256(abi.encode(holder, gasleft())));
        if (habit == Habit.BalanceReverts) revert HostileRevert();
        return _balances[holder];
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        if (habit == Habit.ReturnsFalse) return false;
        if (habit == Habit.Reverts) revert HostileRevert();
        if (habit == Habit.ReturndataBomb) _bomb(false);
        if (habit == Habit.RevertBomb) _bomb(true);
        if (habit == Habit.BurnsAllGas) _burn();
        if (habit == Habit.ShortAnswer) {
            assembly {
                mstore(0, 1)
                return(31, 1)
            }
        }
        if (habit == Habit.Reenters) _factory.flush(new bytes32[](1), new address[](0));
        _balances[msg.sender] -= amount;
        _balances[to] += amount;
        return true;
    }

    function _bomb(bool fail) private pure {
        assembly {
            if fail { revert(0, 30000) }
            return(0, 30000)
        }
    }

    function _burn() private pure {
        while (true) {}
    }
}

/// @notice Re-enters with an empty list first: against a factory without a lock and a check of the destination
/// this clears the destination under the outer flush, whose later addresses then burn their ETH.
contract BurningToken {
    DepositFactory private immutable FACTORY;
    bool public wasRefused;

    constructor(DepositFactory factory) {
        FACTORY = factory;
    }

    function balanceOf(address) external pure returns (uint256) {
        return 1;
    }

    function transfer(address, uint256) external returns (bool) {
        try FACTORY.flush(new bytes32[](0), new address[](0)) {}
        catch {
            wasRefused = true;
        }
        return true;
    }
}

/// @notice A recipient of payments that fails in every way that one can.
contract HostileRecipient {
    enum Habit {
        Reverts,
        BurnsAllGas,
        RevertBomb,
        Reenters
    }

    Habit private immutable HABIT;
    HotVault private immutable VAULT;
    bytes private _payload;

    error HostileRevert();

    constructor(Habit habit, HotVault vault) {
        (HABIT, VAULT) = (habit, vault);
    }

    function arm(bytes calldata payload) external {
        _payload = payload;
    }

    receive() external payable {
        if (HABIT == Habit.Reverts) revert HostileRevert();
        if (HABIT == Habit.RevertBomb) {
            assembly {
                revert(0, 30000)
            }
        }
        if (HABIT == Habit.BurnsAllGas) while (true) {}
        (bool ok,) = address(VAULT).call(_payload);
        if (!ok) revert HostileRevert();
    }
}

/// @notice Accepts a payment only with nearly all of the gas that the vault promises.
contract HungryRecipient {
    error TooLittleGas();

    receive() external payable {
        if (gasleft() < 49_500) revert TooLittleGas();
    }
}
