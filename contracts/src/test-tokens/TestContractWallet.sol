// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A contract wallet, for tests and local systems only
/// @notice Pays by inner calls, the way exchanges' and customers' smart wallets do, or pays and then undoes it:
/// a scanner that believes an inner call of a reverted frame credits money that never came.
contract TestContractWallet {
    error PaymentFailed();
    error UndoneOnPurpose();

    receive() external payable {}

    /// @notice Sends all the ETH of this call onwards by an inner call.
    function forward(address payable to) external payable {
        _pay(to, msg.value);
    }

    /// @notice As forward, with the 2,300 gas of Solidity's `transfer`.
    function forwardWithStipend(address payable to) external payable {
        (bool ok,) = to.call{value: msg.value, gas: 0}(""); // a value adds the stipend of 2,300
        if (!ok) revert PaymentFailed();
    }

    /// @notice One payment each to several recipients, in one transaction.
    function forwardEach(address payable[] calldata to, uint256 amountEach) external payable {
        for (uint256 i = 0; i < to.length; ++i) {
            _pay(to[i], amountEach);
        }
    }

    /// @notice Pays in an inner frame that then reverts, and succeeds itself: nothing moved.
    function forwardAndUndo(address payable to) external payable {
        try this.payThenRevert(to, msg.value) {} catch {}
    }

    /// @notice Sends by destroying a contract made for it: no call reaches the recipient.
    function forwardBySelfdestruct(address payable to) external payable {
        new TestSelfdestructPayment{value: msg.value}(to);
    }

    function payThenRevert(address payable to, uint256 amount) external {
        _pay(to, amount);
        revert UndoneOnPurpose();
    }

    function _pay(address payable to, uint256 amount) private {
        (bool ok,) = to.call{value: amount}("");
        if (!ok) revert PaymentFailed();
    }
}

contract TestSelfdestructPayment {
    constructor(address payable to) payable {
        selfdestruct(to);
    }
}
