// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A cap that holds over ANY 24 hours, not over calendar days and not on average.
/// @dev Spending is summed per hour. What was spent in the current hour and the 24 before it can never be more
/// than the cap. Any 24 hours that end in the current hour lie inside these 25 hours, so no 24 hours anywhere
/// can hold more than the cap. The price: an amount is free again after 24 to 25 hours, not after exactly 24.
/// A bucket that refills would let through twice its size within a day.
library WindowCap {
    struct Cap {
        uint96 cap; // base units
        uint96 spent; // sum over the 25 live hours as of `hour`
        uint64 hour; // the last hour with a movement
    }

    /// Two hours share a slot, so 25 live hours need 13 slots; a slot is reused when its pair is 26 hours old.
    struct Pair {
        uint64 pair; // hour / 2; tells a live slot from a stale one, so that nothing is ever cleared
        uint96 even;
        uint96 odd;
    }

    struct Window {
        Cap state;
        Pair[13] ring;
    }

    uint256 internal constant HOUR = 1 hours;
    /// The current hour and 24 full hours before it.
    uint256 internal constant HOURS_LIVE = 25;
    uint256 private constant PAIRS = 13;

    error OverCap(uint256 spent, uint256 amount, uint256 cap);

    /// @notice Counts `amount` against the cap, or reverts.
    function spend(Window storage window, uint256 amount) internal {
        uint256 hour = block.timestamp / HOUR;
        Cap memory state = window.state;
        uint256 spent = spentAt(window, hour);
        if (spent + amount > state.cap) revert OverCap(spent, amount, state.cap);
        // Both fit: spent + amount <= cap < 2^96.
        window.state = Cap(state.cap, uint96(spent + amount), uint64(hour));
        Pair storage slot = window.ring[(hour / 2) % PAIRS];
        Pair memory pair = slot.pair == hour / 2 ? slot : Pair(uint64(hour / 2), 0, 0);
        if (hour % 2 == 0) pair.even += uint96(amount);
        else pair.odd += uint96(amount);
        window.ring[(hour / 2) % PAIRS] = pair;
    }

    /// @notice Takes back what `spend` counted in this very call and then did not leave.
    function refund(Window storage window, uint256 amount) internal {
        uint256 hour = block.timestamp / HOUR;
        window.state.spent -= uint96(amount);
        Pair storage slot = window.ring[(hour / 2) % PAIRS];
        if (hour % 2 == 0) slot.even -= uint96(amount);
        else slot.odd -= uint96(amount);
    }

    /// @notice What counts against the cap in `hour`, which is not before the last movement.
    function spentAt(Window storage window, uint256 hour) internal view returns (uint256 spent) {
        uint256 last = window.state.hour;
        if (hour >= last + HOURS_LIVE) return 0;
        spent = window.state.spent;
        // Hours that were live at `last` and are not any more; at most 24 steps.
        for (uint256 old = last + 1 - HOURS_LIVE; old + HOURS_LIVE <= hour; ++old) {
            Pair storage slot = window.ring[(old / 2) % PAIRS];
            if (slot.pair == old / 2) spent -= old % 2 == 0 ? slot.even : slot.odd;
        }
    }
}
