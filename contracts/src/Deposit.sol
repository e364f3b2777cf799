// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Transfers} from "./lib/Transfers.sol";

/// @notice What a deposit address asks of, and reports to, the factory that made it.
interface IDepositFactory {
    /// @return destination where everything goes; never zero while an order stands
    /// @return persistent keep code at the address instead of vanishing
    /// @return tokenGas gas for one call of a token
    /// @return tokens which tokens to move; ETH always moves
    function order()
        external
        view
        returns (address destination, bool persistent, uint256 tokenGas, address[] memory tokens);

    /// @param tokenAmounts what the destination received of each token of the order; a refusal is FAILED
    function report(uint256[] calldata tokenAmounts, uint256 etherAmount) external;
}

/// @title The code of every deposit address
/// @notice Ephemeral: it delivers in its constructor and destroys itself in the transaction that created it
/// (EIP-6780 keeps that), so the address stays empty and accepts every kind of payment for ever. Persistent:
/// it stays, accepts ETH, and delivers whenever the factory says so. Both are the same init code, so the
/// address is the same, and a fork that ended selfdestruct would cost nothing.
/// @dev A token that fails is reported and never stops the others or the ETH.
contract Deposit {
    IDepositFactory private immutable FACTORY;

    /// Reported in place of an amount. No token has this many units.
    uint256 internal constant FAILED = type(uint256).max;

    error NotFactory();
    error NoOrder();

    constructor() {
        FACTORY = IDepositFactory(msg.sender);
        (address destination, bool persistent, uint256 tokenGas, address[] memory tokens) =
            IDepositFactory(msg.sender).order();
        if (destination == address(0)) revert NoOrder();
        if (!persistent) {
            uint256[] memory amounts = _deliverTokens(destination, tokenGas, tokens);
            IDepositFactory(msg.sender).report(amounts, address(this).balance);
            selfdestruct(payable(destination));
        }
    }

    /// @notice Plain ETH, from anybody, within the 2,300 gas that `.transfer()` leaves.
    receive() external payable {}

    /// @notice Persistent addresses only: the factory has an order.
    function deliver() external {
        if (msg.sender != address(FACTORY)) revert NotFactory();
        (address destination,, uint256 tokenGas, address[] memory tokens) = FACTORY.order();
        if (destination == address(0)) revert NoOrder();
        uint256[] memory amounts = _deliverTokens(destination, tokenGas, tokens);
        uint256 amount = address(this).balance;
        // The destination is ours; it has all the gas that there is.
        bool ok = amount == 0 || Transfers.sendEther(destination, amount, gasleft());
        FACTORY.report(amounts, ok ? amount : FAILED);
    }

    /// The amount delivered is what the destination gained, measured round the one call that moves it: a token
    /// that takes a fee or lies is credited by what arrived, and nothing else can happen between the readings
    /// unless the token itself is hostile, and then only its own number is wrong.
    function _deliverTokens(address destination, uint256 tokenGas, address[] memory tokens)
        private
        returns (uint256[] memory amounts)
    {
        amounts = new uint256[](tokens.length);
        for (uint256 i = 0; i < tokens.length; ++i) {
            address token = tokens[i];
            (bool held, uint256 amount) = Transfers.balanceOf(token, address(this), tokenGas);
            if (held && amount == 0) continue;
            amounts[i] = FAILED;
            if (!held) continue;
            (bool known, uint256 before) = Transfers.balanceOf(token, destination, tokenGas);
            if (!known || !Transfers.sendToken(token, destination, amount, tokenGas)) continue;
            (bool read, uint256 later) = Transfers.balanceOf(token, destination, tokenGas);
            if (read && later > before) amounts[i] = later - before;
        }
    }
}
