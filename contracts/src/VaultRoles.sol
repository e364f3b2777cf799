// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {MemberSet} from "./lib/MemberSet.sol";
import {WindowCap} from "./lib/WindowCap.sol";

/// @title Who may do what with a vault
/// @notice Tightening is fast and open to many: any signer, guardian, OPERATORS or OWNER pauses and lowers caps.
/// OPERATORS (a Safe) unpause, take powers away, and restore what OWNER once approved. Widening is slow: only
/// OWNER (a timelock) raises caps, adds members and changes the threshold.
abstract contract VaultRoles {
    using MemberSet for MemberSet.Set;
    using WindowCap for WindowCap.Window;

    struct AssetCap {
        address token; // zero means ETH
        uint96 cap; // base units in any 24 hours
    }

    /// @dev `threshold` of `signers` sign a payment; one signer more than that must be there at the start.
    struct Setup {
        address cold;
        address owner;
        address operators;
        uint256 threshold;
        address[] signers;
        address[] guardians;
        AssetCap[] caps;
    }

    /// @dev Gas for one payment's call, and what the vault itself needs round it (the call's price, the event).
    struct GasCaps {
        uint32 ether_;
        uint32 token;
        uint32 overhead;
    }

    /// One leaked key must never be a quorum.
    uint256 public constant THRESHOLD_MIN = 2;
    // Gas prices change with forks, so OWNER can follow them; the bounds keep a wrong value from making every
    // payment fail or none fit into a transaction.
    uint32 private constant ETHER_GAS_MIN = 30_000;
    uint32 private constant TOKEN_GAS_MIN = 60_000;
    uint32 private constant OVERHEAD_GAS_MIN = 40_000;
    uint32 private constant GAS_MAX = 2_000_000;

    address public immutable COLD;

    address public owner;
    address public operators;
    uint256 public threshold;
    bool public paused;
    /// @notice Part of what is signed. It rises with every unpause and change of roles, and kills all
    /// signatures that are still about.
    uint64 public generation = 1;
    /// @dev What a call costs before the recipient's gas is counted: 11,600 for a cold account with code, 36,600
    /// for a new one.
    GasCaps public gasCaps = GasCaps(50_000, 200_000, 45_000);

    MemberSet.Set private _signers;
    MemberSet.Set private _guardians;
    mapping(address token => WindowCap.Window) internal _windows;
    /// @notice The cap that OWNER last set: OPERATORS restore up to it without delay.
    mapping(address token => uint96) public capApproved;

    event Paused(address indexed by);
    event Unpaused(uint64 generation);
    event GenerationRaised(uint64 generation);
    event CapChanged(address indexed token, uint96 cap, address indexed by);
    event SignerAdded(address indexed signer);
    event SignerRemoved(address indexed signer);
    event GuardianAdded(address indexed guardian);
    event GuardianRemoved(address indexed guardian);
    event ThresholdChanged(uint256 threshold);
    event OwnerChanged(address indexed from, address indexed to);
    event OperatorsChanged(address indexed from, address indexed to);
    event GasCapsChanged(uint32 ether_, uint32 token, uint32 overhead);

    error NotAllowed(address caller);
    error IsPaused();
    error NotPaused();
    error TooFewSigners(uint256 signers, uint256 needed);
    error AddressInvalid();
    error ThresholdInvalid();
    error CapInvalid();
    error GasCapsInvalid();

    modifier onlyOwner() {
        _onlyOwner();
        _;
    }

    modifier onlyOperators() {
        _onlyOperators();
        _;
    }

    modifier onlyAnyRole() {
        _onlyAnyRole();
        _;
    }

    modifier whenNotPaused() {
        if (paused) revert IsPaused();
        _;
    }

    constructor(Setup memory setup) {
        if (setup.owner == address(0) || setup.operators == address(0)) revert AddressInvalid();
        // COLD is for ever: an address without code would be a typing error.
        if (setup.cold.code.length == 0) revert AddressInvalid();
        COLD = setup.cold;
        (owner, operators) = (setup.owner, setup.operators);
        _signers.addAll(setup.signers);
        _guardians.addAll(setup.guardians);
        _setThreshold(setup.threshold);
        for (uint256 i = 0; i < setup.caps.length; ++i) {
            _approveCap(setup.caps[i].token, setup.caps[i].cap);
        }
    }

    /// @notice No payment from now on. Any role.
    function pause() external onlyAnyRole {
        _pause();
    }

    /// @notice OPERATORS, without delay. Refused unless one signer more than the threshold is there: a quorum
    /// that cannot lose a member would be stopped by the next fault.
    function unpause() external onlyOperators {
        if (!paused) revert NotPaused();
        _checkSpareSigner();
        paused = false;
        _raiseGeneration();
        emit Unpaused(generation);
    }

    /// @notice Any role, at once.
    function lowerCap(address token, uint96 cap) external onlyAnyRole {
        if (cap >= _windows[token].state.cap) revert CapInvalid();
        _setCap(token, cap);
    }

    /// @notice OPERATORS, without delay, up to what OWNER approved: a single hostile lowering costs minutes.
    function restoreCap(address token, uint96 cap) external onlyOperators {
        if (cap > capApproved[token]) revert CapInvalid();
        _setCap(token, cap);
    }

    function approveCap(address token, uint96 cap) external onlyOwner {
        _approveCap(token, cap);
    }

    function removeSigner(address signer) external onlyOperators {
        _signers.remove(signer);
        _raiseGeneration();
        emit SignerRemoved(signer);
    }

    function removeGuardian(address guardian) external onlyOperators {
        _guardians.remove(guardian);
        _raiseGeneration();
        emit GuardianRemoved(guardian);
    }

    function addSigner(address signer) external onlyOwner {
        _signers.add(signer);
        _raiseGeneration();
        emit SignerAdded(signer);
    }

    function addGuardian(address guardian) external onlyOwner {
        _guardians.add(guardian);
        _raiseGeneration();
        emit GuardianAdded(guardian);
    }

    function setThreshold(uint256 to) external onlyOwner {
        _setThreshold(to);
        _raiseGeneration();
    }

    function setOwner(address to) external onlyOwner {
        if (to == address(0)) revert AddressInvalid();
        emit OwnerChanged(owner, to);
        owner = to;
        _raiseGeneration();
    }

    function setOperators(address to) external onlyOwner {
        if (to == address(0)) revert AddressInvalid();
        emit OperatorsChanged(operators, to);
        operators = to;
        _raiseGeneration();
    }

    function setGasCaps(GasCaps calldata caps) external onlyOwner {
        if (caps.ether_ < ETHER_GAS_MIN || caps.token < TOKEN_GAS_MIN || caps.overhead < OVERHEAD_GAS_MIN) {
            revert GasCapsInvalid();
        }
        if (caps.ether_ > GAS_MAX || caps.token > GAS_MAX || caps.overhead > GAS_MAX) revert GasCapsInvalid();
        gasCaps = caps;
        emit GasCapsChanged(caps.ether_, caps.token, caps.overhead);
    }

    /// @return cap base units in any 24 hours
    /// @return spent counts against it now
    function limitOf(address token) external view returns (uint256 cap, uint256 spent) {
        WindowCap.Window storage window = _windows[token];
        return (window.state.cap, window.spentAt(block.timestamp / WindowCap.HOUR));
    }

    function isSigner(address who) public view returns (bool) {
        return _signers.has(who);
    }

    function isGuardian(address who) external view returns (bool) {
        return _guardians.has(who);
    }

    function signers() external view returns (address[] memory) {
        return _signers.members;
    }

    function guardians() external view returns (address[] memory) {
        return _guardians.members;
    }

    function _pause() internal {
        if (paused) return;
        paused = true;
        emit Paused(msg.sender);
    }

    function _approveCap(address token, uint96 cap) private {
        capApproved[token] = cap;
        _setCap(token, cap);
    }

    function _setCap(address token, uint96 cap) private {
        _windows[token].state.cap = cap;
        emit CapChanged(token, cap, msg.sender);
    }

    function _setThreshold(uint256 to) private {
        if (to < THRESHOLD_MIN) revert ThresholdInvalid();
        threshold = to;
        _checkSpareSigner();
        emit ThresholdChanged(to);
    }

    function _raiseGeneration() private {
        emit GenerationRaised(++generation);
    }

    function _checkSpareSigner() private view {
        uint256 count = _signers.members.length;
        if (count < threshold + 1) revert TooFewSigners(count, threshold + 1);
    }

    function _onlyOwner() private view {
        if (msg.sender != owner) revert NotAllowed(msg.sender);
    }

    /// OWNER may do all that OPERATORS may: it can appoint them anyway.
    function _onlyOperators() private view {
        if (msg.sender != operators && msg.sender != owner) revert NotAllowed(msg.sender);
    }

    function _onlyAnyRole() private view {
        if (!isSigner(msg.sender) && !_guardians.has(msg.sender)) _onlyOperators();
    }
}
