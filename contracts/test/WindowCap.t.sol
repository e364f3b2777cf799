// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Proves that no 24 hours anywhere hold more than the cap, that the running sum equals a sum made afresh, and
// that an amount is free again after 25 hours at the latest.

import {WindowCap} from "../src/lib/WindowCap.sol";
import {Kit} from "./Kit.sol";

contract WindowCapTest is Kit {
    using WindowCap for WindowCap.Window;

    uint96 private constant CAP = 1000;
    uint256 private constant STEPS = 60;

    WindowCap.Window private _window;
    uint256[] private _times;
    uint256[] private _amounts;

    function setUp() public {
        vm.warp(1_800_000_000);
        _window.state.cap = CAP;
    }

    function testFuzz_neverMoreThanTheCapInAny24Hours(uint256 seed) public {
        uint256 now_ = block.timestamp;
        for (uint256 i = 0; i < STEPS; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            // Mostly short steps, some of a day, a few of several days.
            uint256 kind = seed % 16;
            now_ += (seed >> 8) % (kind < 12 ? 3 hours : kind < 15 ? 26 hours : 80 hours);
            vm.warp(now_);
            uint256 amount = (seed >> 64) % (CAP / 3);
            try this.spend(amount) {
                _times.push(now_);
                _amounts.push(amount);
            } catch {
                yes(_sumSince(now_ / 1 hours - 24, true) + amount > CAP, "refused only over the cap");
            }
            uint256 found = _window.spentAt(now_ / 1 hours);
            eq(found, _sumSince(now_ / 1 hours - 24, true), "the running sum");
            yes(_sumSince(now_ - 24 hours, false) <= CAP, "any 24 hours");
        }
    }

    /// Where a refilling bucket lets through twice the cap: everything at the end of one day, again at the start
    /// of the next.
    function test_edgesOfADay() public {
        uint256 start = (block.timestamp / 1 days) * 1 days;
        vm.warp(start + 24 hours - 1);
        this.spend(CAP);
        uint256[3] memory waits = [uint256(1), 12 hours, 24 hours - 1];
        for (uint256 i = 0; i < 3; ++i) {
            vm.warp(start + 24 hours - 1 + waits[i]);
            vm.expectRevert(abi.encodeWithSelector(WindowCap.OverCap.selector, CAP, 1, CAP));
            this.spend(1);
        }
        vm.warp(start + 24 hours - 1 + 25 hours);
        this.spend(CAP);
    }

    function testFuzz_freeAgainAfter25Hours(uint256 second, uint256 wait) public {
        vm.warp(block.timestamp + bound(second, 0, 2 hours));
        this.spend(CAP);
        vm.warp(block.timestamp + bound(wait, 25 hours, 60 hours));
        this.spend(CAP);
    }

    function testFuzz_refundUndoesASpend(uint256 seed) public {
        this.spend(seed % CAP);
        uint256 before = _window.spentAt(block.timestamp / 1 hours);
        uint256 amount = (seed >> 128) % (CAP - before + 1);
        this.spend(amount);
        _window.refund(amount);
        eq(_window.spentAt(block.timestamp / 1 hours), before, "as before");
        vm.warp(block.timestamp + 24 hours);
        yes(_window.spentAt(block.timestamp / 1 hours) <= before, "no underflow when it expires");
    }

    function spend(uint256 amount) external {
        _window.spend(amount);
    }

    /// Everything spent at or after `since`, which is an hour's number or a second.
    function _sumSince(uint256 since, bool hourly) private view returns (uint256 sum) {
        for (uint256 i = 0; i < _times.length; ++i) {
            if ((hourly ? _times[i] / 1 hours : _times[i]) >= since) sum += _amounts[i];
        }
    }
}
