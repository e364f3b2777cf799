// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Proves, over random histories of payments, pauses, evacuations and waiting: each id pays at most once, no
// 24 hours hold more than the cap, money leaves only to recipients and to COLD, and none is made or lost.

import {HostileRecipient} from "./Hostile.sol";
import {VaultKit} from "./VaultKit.sol";

contract VaultHistory is VaultKit {
    uint256 private constant IDS = 300; // more than one word of the bitmap
    uint256 private constant RETRIES = 2;
    uint256 private constant BATCHES = 4;

    struct Spending {
        uint256 time;
        uint256 amount;
    }

    mapping(address token => Spending[]) private _spent;
    uint64[] private _touched;
    mapping(uint64 id => bool) private _isTouched;
    mapping(address token => uint256) public poured;
    uint256 public worstExcess;
    bool public paidTwice;
    uint256 public payments;
    uint256 public refusals;
    address private immutable REVERTER;

    constructor() {
        buildVault();
        REVERTER = address(new HostileRecipient(HostileRecipient.Habit.Reverts, vault));
        for (uint256 i = 0; i < 3; ++i) {
            address token = assets()[i];
            poured[token] = balance(token, address(vault));
        }
    }

    function assets() public view returns (address[3] memory) {
        return [ETH, address(usdt), address(usdc)];
    }

    /// Batches of some ids, fresh or used before; every id always pays its own recipient its own amount.
    function payBatches(uint256 seed) external {
        for (uint256 batch = 0; batch < BATCHES; ++batch) {
            address token = assets()[seed % 3];
            uint256 count = 1 + (seed >> 8) % 6;
            uint64[] memory ids = new uint64[](count);
            bytes32[] memory items = new bytes32[](count);
            uint64 id = uint64((seed >> 16) % IDS);
            for (uint256 i = 0; i < count; ++i) {
                (ids[i], items[i]) = (id, item(recipientOf(id), amountOf(token, id)));
                if (!_isTouched[id]) _touched.push(id);
                _isTouched[id] = true;
                id += 1 + uint64((seed >> (32 + 8 * i)) % 4);
            }
            _pay(token, ids, items, seed);
            for (uint256 i = 0; i < count; ++i) {
                if (_wrong(ids[i])) paidTwice = true;
            }
            seed = uint256(keccak256(abi.encode(seed)));
            vm.warp(block.timestamp + seed % 1 hours);
        }
    }

    function wait(uint256 seed) external {
        vm.warp(block.timestamp + seed % (seed % 5 == 0 ? 60 hours : 5 hours));
    }

    function refill(uint256 seed) external {
        uint256 amount = seed % 20_000e6;
        usdt.issue(amount);
        usdt.transfer(address(vault), amount);
        usdc.mint(address(vault), amount);
        vm.deal(address(vault), address(vault).balance + (amount * 1e9));
        poured[address(usdt)] += amount;
        poured[address(usdc)] += amount;
        poured[ETH] += amount * 1e9;
    }

    function evacuate(uint256 seed) external {
        if (seed % 4 != 0) return; // or most histories would be about an empty vault
        vm.prank(seed % 2 == 0 ? GUARDIAN : vm.addr(keys[seed % 3]));
        vault.evacuate(list(assets()[seed % 3], assets()[(seed >> 8) % 3]));
    }

    function reopen() external {
        vm.prank(OPERATORS);
        (bool ok,) = address(vault).call(abi.encodeCall(vault.unpause, ()));
        if (!ok) ++refusals;
    }

    function lowerAndRestore(uint256 seed) external {
        address token = assets()[seed % 3];
        uint96 approved = vault.capApproved(token);
        vm.prank(GUARDIAN);
        (bool lowered,) = address(vault).call(abi.encodeCall(vault.lowerCap, (token, uint96(approved / 2))));
        if (lowered && seed % 2 == 0) return;
        vm.prank(OPERATORS);
        vault.restoreCap(token, approved);
    }

    /// What nobody signed: a stranger's key, or one signer twice.
    function forge(uint256 seed) external {
        (uint64[] memory ids, bytes32[] memory items) = one(uint64(IDS * 2), address(0xbad), 1);
        bytes32 hash = vault.digest(ETH, type(uint64).max, ids, items);
        uint256 other = seed % 2 == 0 ? keys[0] : 77;
        bytes memory signatures = signed(keys[0], other, hash);
        bytes memory call = abi.encodeCall(vault.pay, (ETH, type(uint64).max, ids, items, signatures));
        (bool ok,) = address(vault).call(call);
        if (!ok) ++refusals;
    }

    function recipientOf(uint64 id) public view returns (address) {
        return id % 7 == 0 ? REVERTER : address(uint160(0xcafe0000 + id));
    }

    function amountOf(address token, uint64 id) public pure returns (uint256) {
        return (1 + uint256(id) % 40) * (token == address(0) ? 0.1 ether : 100e6);
    }

    /// Base units that all recipients of this asset have now.
    function received(address token) external view returns (uint256 sum) {
        for (uint256 i = 0; i < _touched.length; ++i) {
            if (_touched[i] % 7 != 0) sum += balance(token, recipientOf(_touched[i]));
        }
        return sum + balance(token, REVERTER);
    }

    function held(address token) external view returns (uint256) {
        return balance(token, address(vault)) + balance(token, cold);
    }

    function stolen() external view returns (uint256) {
        return address(0xbad).balance;
    }

    function _pay(address token, uint64[] memory ids, bytes32[] memory items, uint256 seed) private {
        (uint256 a, uint256 b) = seed % 2 == 0 ? (keys[0], keys[2]) : (keys[1], keys[2]);
        bytes memory signatures = signed(a, b, vault.digest(token, type(uint64).max, ids, items));
        uint256 before = balance(token, address(vault));
        // The same signed batch is relayed several times: only once can it do anything.
        for (uint256 i = 0; i < RETRIES; ++i) {
            bytes memory call = abi.encodeCall(vault.pay, (token, type(uint64).max, ids, items, signatures));
            (bool ok,) = address(vault).call(call);
            if (ok) ++payments;
            else ++refusals;
        }
        _spent[token].push(Spending(block.timestamp, before - balance(token, address(vault))));
        uint256 sum;
        for (uint256 i = 0; i < _spent[token].length; ++i) {
            if (_spent[token][i].time + 24 hours >= block.timestamp) sum += _spent[token][i].amount;
        }
        uint256 cap = vault.capApproved(token);
        if (sum > cap && sum - cap > worstExcess) worstExcess = sum - cap;
    }

    /// Paid more than once, or paid and not marked as used.
    function _wrong(uint64 id) private view returns (bool) {
        if (id % 7 == 0) return false;
        uint256 times;
        for (uint256 i = 0; i < 3; ++i) {
            times += balance(assets()[i], recipientOf(id)) / amountOf(assets()[i], id);
        }
        return times > 1 || (times == 1 && !vault.isUsed(id));
    }
}

contract HotVaultInvariantTest is VaultKit {
    VaultHistory private _history;

    function setUp() public {
        _history = new VaultHistory();
    }

    function targetContracts() external view returns (address[] memory) {
        return list(address(_history));
    }

    function invariant_exactlyOnce() public view {
        yes(!_history.paidTwice(), "an id paid twice, or paid and not used");
    }

    function invariant_capHoldsOverAny24Hours() public view {
        eq(_history.worstExcess(), 0, "above the cap");
    }

    function invariant_moneyIsConservedAndLeavesOnlyToRecipientsAndCold() public view {
        address[3] memory assets = _history.assets();
        for (uint256 i = 0; i < 3; ++i) {
            eq(_history.held(assets[i]) + _history.received(assets[i]), _history.poured(assets[i]), "conserved");
        }
        eq(_history.stolen(), 0, "what nobody signed");
    }
}
