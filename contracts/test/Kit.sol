// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice The few of forge's cheatcodes that the tests use.
interface Vm {
    struct Log {
        bytes32[] topics;
        bytes data;
        address emitter;
    }

    function addr(uint256 key) external pure returns (address);
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function prank(address sender) external;
    function prank(address sender, address origin) external;
    function deal(address account, uint256 balance) external;
    function warp(uint256 timestamp) external;
    function expectRevert() external;
    function expectRevert(bytes4 selector) external;
    function expectRevert(bytes calldata data) external;
    function recordLogs() external;
    function getRecordedLogs() external returns (Log[] memory);
    function getCode(string calldata artifact) external view returns (bytes memory);
}

/// @notice Assertions, bounds, and the cheatcodes.
abstract contract Kit {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));

    error Unequal(uint256 found, uint256 wanted, string what);
    error Untrue(string what);

    function eq(uint256 found, uint256 wanted, string memory what) internal pure {
        if (found != wanted) revert Unequal(found, wanted, what);
    }

    function eq(address found, address wanted, string memory what) internal pure {
        eq(uint256(uint160(found)), uint256(uint160(wanted)), what);
    }

    function yes(bool condition, string memory what) internal pure {
        if (!condition) revert Untrue(what);
    }

    /// Creates a contract from its compiled code. `new` would compile that contract once more inside every test.
    function make(string memory contractName, bytes memory arguments) internal returns (address made) {
        bytes memory initCode = bytes.concat(vm.getCode(contractName), arguments);
        assembly ("memory-safe") {
            made := create(0, add(initCode, 32), mload(initCode))
            if iszero(made) {
                let free := mload(0x40)
                returndatacopy(free, 0, returndatasize())
                revert(free, returndatasize())
            }
        }
    }

    function bound(uint256 value, uint256 low, uint256 high) internal pure returns (uint256) {
        return low + (value % (high - low + 1));
    }

    function list(address one) internal pure returns (address[] memory all) {
        all = new address[](1);
        all[0] = one;
    }

    function list(address one, address two) internal pure returns (address[] memory all) {
        all = new address[](2);
        (all[0], all[1]) = (one, two);
    }

    function countLogs(Vm.Log[] memory logs, bytes32 topic) internal pure returns (uint256 count) {
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == topic) ++count;
        }
    }
}

/// @notice Takes whatever comes: where a test needs some contract of ours.
contract Box {
    receive() external payable {}
}
