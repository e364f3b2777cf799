// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice A small list of distinct, nonzero addresses with a constant-time membership test.
library MemberSet {
    struct Set {
        address[] members;
        mapping(address => uint256) position; // 1-based; 0 means absent
    }

    /// Every member can pause; nobody runs more watchers than this, and lists stay cheap to read.
    uint256 internal constant SIZE_MAX = 64;

    error MemberInvalid(address member);

    function add(Set storage set, address member) internal {
        if (member == address(0) || set.position[member] != 0 || set.members.length >= SIZE_MAX) {
            revert MemberInvalid(member);
        }
        set.members.push(member);
        set.position[member] = set.members.length;
    }

    function addAll(Set storage set, address[] memory members) internal {
        for (uint256 i = 0; i < members.length; ++i) {
            add(set, members[i]);
        }
    }

    function remove(Set storage set, address member) internal {
        uint256 place = set.position[member];
        if (place == 0) revert MemberInvalid(member);
        address last = set.members[set.members.length - 1];
        set.members[place - 1] = last;
        set.position[last] = place;
        set.members.pop();
        set.position[member] = 0;
    }

    function has(Set storage set, address member) internal view returns (bool) {
        return set.position[member] != 0;
    }
}
