// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Proves, over random histories of deposits, flushes, failovers and forwarders: what was deposited is either
// still at its address or at the place that was the destination when it was flushed, and nowhere else.

import {DepositFactory} from "../src/DepositFactory.sol";
import {VaultRegistry} from "../src/VaultRegistry.sol";
import {TestUSDT} from "../src/test-tokens/TestUSDT.sol";
import {BurningToken, HostileToken} from "./Hostile.sol";
import {Box, Kit} from "./Kit.sol";

contract DepositHistory is Kit {
    uint256 private constant SALTS = 6;
    address private constant GUARDIAN = address(0x1003);

    VaultRegistry private _registry;
    DepositFactory private _factory;
    TestUSDT private _usdt;
    address[2] private _destinations;
    /// Tokens a stranger may name: the real one, one that re-enters, one that burns gas, one that lies, and no token.
    address[6] private _named;
    uint256 public ethIn;
    uint256 public usdtIn;
    uint256[2] private _ethDelivered;
    uint256[2] private _usdtDelivered;

    constructor() {
        _destinations = [address(new Box()), address(new Box())];
        _registry = VaultRegistry(make("VaultRegistry.sol:VaultRegistry", abi.encode(address(this))));
        _registry.initialize(
            _destinations[0], address(this), address(this), list(GUARDIAN), _destinations[1], new address[](0)
        );
        _factory = DepositFactory(make("DepositFactory.sol:DepositFactory", abi.encode(_registry)));
        _usdt = TestUSDT(make("TestUSDT.sol:TestUSDT", ""));
        _usdt.issue(1e18);
        _named = [
            address(_usdt),
            address(new BurningToken(_factory)),
            address(new HostileToken(HostileToken.Habit.Reenters, _factory)),
            address(new HostileToken(HostileToken.Habit.BurnsAllGas, _factory)),
            address(new HostileToken(HostileToken.Habit.LiesAboutBalance, _factory)),
            address(0xdead)
        ];
        for (uint256 i = 0; i < 6; ++i) {
            _registry.listToken(_named[i], true); // by mistake, so that the rest of the code has to hold
        }
    }

    function deposit(uint256 seed) external {
        address to = _factory.addressOf(bytes32(seed % SALTS));
        (uint256 eth, uint256 usdt) = ((seed >> 8) % 5 ether, (seed >> 80) % 1000e6);
        vm.deal(to, to.balance + eth);
        _usdt.transfer(to, usdt);
        (ethIn, usdtIn) = (ethIn + eth, usdtIn + usdt);
    }

    function flush(uint256 seed) external {
        bytes32[] memory salts = new bytes32[](1 + seed % SALTS);
        for (uint256 i = 0; i < salts.length; ++i) {
            salts[i] = bytes32((seed >> (8 * i)) % SALTS);
        }
        address[] memory tokens = list(_named[(seed >> 100) % 6], _named[(seed >> 110) % 6]);
        (uint256[2] memory eth, uint256[2] memory usdt) = _balances();
        uint256 current = _registry.destination() == _destinations[0] ? 0 : 1;
        address caller = address(uint160(0xabc000 + seed % 1000));
        vm.prank(caller, caller);
        _factory.flush{gas: 500_000 + (seed >> 128) % 10_000_000}(salts, tokens);
        (uint256[2] memory ethLater, uint256[2] memory usdtLater) = _balances();
        _ethDelivered[current] += ethLater[current] - eth[current];
        _usdtDelivered[current] += usdtLater[current] - usdt[current];
    }

    function move(uint256 seed) external {
        if (seed % 2 == 0) {
            vm.prank(GUARDIAN);
            _registry.failover();
        } else {
            _registry.setDestination(_destinations[1]);
        }
    }

    function makePersistent(uint256 seed) external {
        bytes32[] memory salts = new bytes32[](1);
        salts[0] = bytes32(seed % SALTS);
        _factory.makePersistent(salts);
    }

    /// Nothing is anywhere but at its address or where the registry pointed when it was flushed.
    function check() external view {
        (uint256[2] memory eth, uint256[2] memory usdt) = _balances();
        (uint256 ethSum, uint256 usdtSum) = (eth[0] + eth[1], usdt[0] + usdt[1]);
        for (uint256 i = 0; i < SALTS; ++i) {
            address place = _factory.addressOf(bytes32(i));
            (ethSum, usdtSum) = (ethSum + place.balance, usdtSum + _usdt.balanceOf(place));
        }
        eq(ethSum, ethIn, "ETH is conserved");
        eq(usdtSum, usdtIn, "USDT is conserved");
        for (uint256 i = 0; i < 2; ++i) {
            eq(eth[i], _ethDelivered[i], "ETH only to the current destination");
            eq(usdt[i], _usdtDelivered[i], "USDT only to the current destination");
        }
    }

    function _balances() private view returns (uint256[2] memory eth, uint256[2] memory usdt) {
        for (uint256 i = 0; i < 2; ++i) {
            (eth[i], usdt[i]) = (_destinations[i].balance, _usdt.balanceOf(_destinations[i]));
        }
    }
}

contract DepositFactoryInvariantTest is Kit {
    DepositHistory private _history;

    function setUp() public {
        _history = new DepositHistory();
    }

    function targetContracts() external view returns (address[] memory) {
        return list(address(_history));
    }

    function invariant_deliversOnlyToTheCurrentDestination() public view {
        _history.check();
    }
}
