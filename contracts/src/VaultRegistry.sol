// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MemberSet} from "./lib/MemberSet.sol";

/// @title Where deposits are delivered now
/// @notice Deposit addresses outlive every vault: they ask this registry. Any guardian sends deposits to COLD
/// at once; OPERATORS move the destination among those that OWNER (a timelock) has admitted.
/// @dev The constructor knows nothing of a chain, so that the same initializer gives the same CREATE2 address
/// on every EVM network; a deposit sent on the wrong network can then be rescued there.
contract VaultRegistry {
    using MemberSet for MemberSet.Set;

    address public immutable INITIALIZER;

    address public destination;
    address public cold;
    address public owner;
    address public operators;
    mapping(address candidate => bool) public isAdmitted;
    /// @notice Tokens known to run no stranger's code: the factory sweeps them from many addresses at once.
    mapping(address token => bool) public isToken;
    MemberSet.Set private _guardians;

    event DestinationChanged(address indexed from, address indexed to, address indexed by);
    event DestinationAdmitted(address indexed destination);
    event DestinationRevoked(address indexed destination);
    event TokenListed(address indexed token, bool listed);
    event ColdChanged(address indexed from, address indexed to);
    event OwnerChanged(address indexed from, address indexed to);
    event OperatorsChanged(address indexed from, address indexed to);
    event GuardianAdded(address indexed guardian);
    event GuardianRemoved(address indexed guardian);

    error AlreadyInitialized();
    error NotAllowed(address caller);
    error NotAdmitted(address candidate);
    error InUse(address candidate);
    error AddressInvalid();

    constructor(address initializer) {
        if (initializer == address(0)) revert AddressInvalid();
        INITIALIZER = initializer;
    }

    modifier onlyOwner() {
        _onlyOwner();
        _;
    }

    modifier onlyOperators() {
        _onlyOperators();
        _;
    }

    /// @notice Once, by the fixed initializer: nobody can run ahead of it with roles of their own.
    /// @param guardians_ everybody who may send deposits to COLD, signers included
    /// @param vault the first destination
    /// @param tokens the first listed tokens
    function initialize(
        address cold_,
        address owner_,
        address operators_,
        address[] calldata guardians_,
        address vault,
        address[] calldata tokens
    ) external {
        if (msg.sender != INITIALIZER) revert NotAllowed(msg.sender);
        if (owner != address(0)) revert AlreadyInitialized();
        if (owner_ == address(0) || operators_ == address(0)) revert AddressInvalid();
        owner = owner_;
        operators = operators_;
        _guardians.addAll(guardians_);
        _admit(cold_);
        if (vault != cold_) _admit(vault);
        for (uint256 i = 0; i < tokens.length; ++i) {
            _listToken(tokens[i], true);
        }
        cold = cold_;
        destination = vault;
        emit OwnerChanged(address(0), owner_);
        emit OperatorsChanged(address(0), operators_);
        emit ColdChanged(address(0), cold_);
        emit DestinationChanged(address(0), vault, msg.sender);
    }

    /// @notice Deposits go to COLD from now on. Any guardian, OPERATORS or OWNER, at once.
    function failover() external {
        if (!_guardians.has(msg.sender) && msg.sender != operators && msg.sender != owner) {
            revert NotAllowed(msg.sender);
        }
        _moveTo(cold);
    }

    /// @notice OPERATORS, without delay, but only among what OWNER has admitted.
    function setDestination(address candidate) external onlyOperators {
        if (!isAdmitted[candidate]) revert NotAdmitted(candidate);
        _moveTo(candidate);
    }

    function admit(address candidate) external onlyOwner {
        _admit(candidate);
    }

    /// @notice Takes a captured vault off the list. Never COLD, never the current destination.
    function revoke(address candidate) external onlyOperators {
        if (!isAdmitted[candidate]) revert NotAdmitted(candidate);
        if (candidate == cold || candidate == destination) revert InUse(candidate);
        isAdmitted[candidate] = false;
        emit DestinationRevoked(candidate);
    }

    function listToken(address token, bool listed) external onlyOperators {
        _listToken(token, listed);
    }

    function setCold(address candidate) external onlyOwner {
        if (!isAdmitted[candidate]) revert NotAdmitted(candidate);
        emit ColdChanged(cold, candidate);
        cold = candidate;
    }

    function setOwner(address to) external onlyOwner {
        if (to == address(0)) revert AddressInvalid();
        emit OwnerChanged(owner, to);
        owner = to;
    }

    function setOperators(address to) external onlyOwner {
        if (to == address(0)) revert AddressInvalid();
        emit OperatorsChanged(operators, to);
        operators = to;
    }

    function addGuardian(address guardian) external onlyOwner {
        _guardians.add(guardian);
        emit GuardianAdded(guardian);
    }

    function removeGuardian(address guardian) external onlyOperators {
        _guardians.remove(guardian);
        emit GuardianRemoved(guardian);
    }

    function isGuardian(address who) external view returns (bool) {
        return _guardians.has(who);
    }

    function guardians() external view returns (address[] memory) {
        return _guardians.members;
    }

    function _listToken(address token, bool listed) private {
        isToken[token] = listed;
        emit TokenListed(token, listed);
    }

    function _admit(address candidate) private {
        // A destination without code is a typing error (or another chain's address): money would be gone.
        if (candidate.code.length == 0) revert AddressInvalid();
        isAdmitted[candidate] = true;
        emit DestinationAdmitted(candidate);
    }

    function _moveTo(address to) private {
        if (destination == to) return;
        if (to == address(0)) revert AddressInvalid(); // before initialize there is no COLD
        emit DestinationChanged(destination, to, msg.sender);
        destination = to;
    }

    function _onlyOwner() private view {
        if (msg.sender != owner) revert NotAllowed(msg.sender);
    }

    /// OWNER may do all that OPERATORS may: it can appoint them anyway.
    function _onlyOperators() private view {
        if (msg.sender != operators && msg.sender != owner) revert NotAllowed(msg.sender);
    }
}
