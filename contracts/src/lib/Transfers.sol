// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Transfers that survive bad tokens and hostile recipients: a failure is a value, never a revert,
/// and no returndata is copied, so that an answer of a megabyte costs us nothing.
library Transfers {
    /// @notice Sends `amount` of `token`. True when the call succeeded and the token has code and answered
    /// either nothing (USDT) or true; `false`, a short answer or anything else is a failure.
    function sendToken(address token, address to, uint256 amount, uint256 gasMax) internal returns (bool ok) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, 0xa9059cbb00000000000000000000000000000000000000000000000000000000) // transfer(address,uint256)
            mstore(add(free, 4), to)
            mstore(add(free, 36), amount)
            mstore(0, 0)
            let success := call(gasMax, token, 0, free, 68, 0, 32)
            switch returndatasize()
            case 0 { ok := and(success, gt(extcodesize(token), 0)) }
            default { ok := and(success, and(gt(returndatasize(), 31), eq(mload(0), 1))) }
        }
    }

    /// @notice Sends `amount` wei with a plain call. False when the recipient failed.
    function sendEther(address to, uint256 amount, uint256 gasMax) internal returns (bool ok) {
        assembly ("memory-safe") {
            ok := call(gasMax, to, amount, 0, 0, 0, 0)
        }
    }

    /// @notice The balance of `holder`. Not ok when the token reverts, has no code or answers short.
    function balanceOf(address token, address holder, uint256 gasMax)
        internal
        view
        returns (bool ok, uint256 amount)
    {
        assembly ("memory-safe") {
            mstore(0, 0x70a0823100000000000000000000000000000000000000000000000000000000) // balanceOf(address)
            mstore(4, holder)
            let success := staticcall(gasMax, token, 0, 36, 0, 32) // first: arguments are evaluated right to left
            ok := and(success, gt(returndatasize(), 31))
            if ok { amount := mload(0) }
        }
    }
}
