// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Deposit, IDepositFactory} from "./Deposit.sol";

interface IVaultRegistry {
    function destination() external view returns (address);
    function owner() external view returns (address);
    function operators() external view returns (address);
    function isToken(address token) external view returns (bool);
}

/// @title Deposit addresses that have no key
/// @notice The address of a salt is a CREATE2 address of this factory. Whatever arrives there can only be
/// delivered to the registry's current destination, by anybody, for ever.
contract DepositFactory is IDepositFactory, ReentrancyGuardTransient {
    IVaultRegistry public immutable REGISTRY;
    bytes32 public immutable INIT_CODE_HASH = keccak256(type(Deposit).creationCode);

    /// With a cold destination and two tokens an address costs about 90k gas; more than this does not fit into
    /// the 2^24 gas of one transaction (EIP-7825).
    uint256 public constant SALTS_MAX = 200;
    uint256 public constant TOKENS_MAX = 16;
    /// USDT and USDC need up to 65k. A caller may give more, see flushWithGas.
    uint256 public constant TOKEN_GAS_DEFAULT = 200_000;
    /// What must be left before each address is swept. Without this a node's gas estimate, which looks for the
    /// least gas that does not revert, finds a transaction in which every sweep fails.
    uint256 private constant GAS_LEFT_MIN = 150_000;
    uint256 private constant GAS_LEFT_MIN_TOKEN = 100_000;
    uint256 private constant GAS_LEFT_MIN_CODE = 350_000; // 200 for each byte of a forwarder
    uint256 private constant FAILED = type(uint256).max;

    /// @notice Whether a flush leaves permanent forwarders behind: for a fork that ends selfdestruct.
    bool public persistentByDefault;

    address private transient _destination;
    address private transient _current;
    bool private transient _persistent;
    uint256 private transient _tokenGas;
    uint256 private transient _tokenCount;
    /// keccak256("portcullis.DepositFactory.tokens"): the order's tokens, in transient storage from here on.
    uint256 private constant TOKENS_SLOT = 0x21600ef9f3c5a7684915a167b9c440f4d9a0a40d35af9207325836c574a81027;

    /// @param token zero means ETH
    /// @param amount what the destination really gained
    event Swept(address indexed deposit, address indexed token, address indexed destination, uint256 amount);
    /// @notice Nothing is lost: it is still at the address. Token zero: the ETH, or the address as a whole.
    event SweepFailed(address indexed deposit, address indexed token);
    event MadePersistent(address indexed deposit);
    event PersistentByDefaultChanged(bool persistent);

    error NoDestination();
    error NotAllowed(address caller);
    error NotCurrentDeposit(address caller);
    error SizeInvalid();
    error TokenInvalid();
    error CallerNotPlain();
    error GasTooLow();
    error CreateFailed(address deposit);
    error TokenNotListed(address token);

    constructor(IVaultRegistry registry) {
        REGISTRY = registry;
    }

    /// @notice Delivers the ETH and all named tokens of each address. Anybody may call: there is only one
    /// place where it can go. One create moves everything of an address, so a salt named twice fails once.
    /// @dev ETH that reaches an address after it destroyed itself, in that same transaction, is burnt at the end
    /// of it (EIP-6780). So nothing of a stranger's may run after a sweep: the caller is a plain account and not
    /// a contract, which could trigger somebody's payment next, and a token that the registry does not list is
    /// swept from one address at a time, since its code could do so between two. Forwarders know no such danger.
    function flush(bytes32[] calldata salts, address[] calldata tokens) external nonReentrant {
        _flush(salts, tokens, TOKEN_GAS_DEFAULT);
    }

    /// @notice As flush, with another gas limit for each call of a token: gas prices change with forks.
    /// Too little gas fails the token's sweep and nothing else.
    function flushWithGas(bytes32[] calldata salts, address[] calldata tokens, uint256 tokenGas)
        external
        nonReentrant
    {
        _flush(salts, tokens, tokenGas);
    }

    /// @notice Makes these addresses permanent forwarders, what they hold untouched until the next flush.
    /// OPERATORS or OWNER: a forwarder refuses a plain payment that brings exactly 21,000 gas.
    function makePersistent(bytes32[] calldata salts) external nonReentrant {
        _onlyOperators();
        if (salts.length == 0 || salts.length > SALTS_MAX) revert SizeInvalid();
        _begin(true, 0, new address[](0));
        for (uint256 i = 0; i < salts.length; ++i) {
            address deposit = addressOf(salts[i]);
            if (deposit.code.length != 0) continue;
            if (!_create(salts[i], deposit)) revert CreateFailed(deposit);
            emit MadePersistent(deposit);
        }
        _end();
    }

    /// @notice Whether flush itself makes forwarders. OPERATORS or OWNER.
    function setPersistentByDefault(bool persistent) external {
        _onlyOperators();
        persistentByDefault = persistent;
        emit PersistentByDefaultChanged(persistent);
    }

    /// @inheritdoc IDepositFactory
    function order()
        external
        view
        returns (address destination, bool persistent, uint256 tokenGas, address[] memory tokens)
    {
        return (_destination, _persistent, _tokenGas, _orderTokens());
    }

    /// @inheritdoc IDepositFactory
    function report(uint256[] calldata tokenAmounts, uint256 etherAmount) external {
        if (msg.sender != _current) revert NotCurrentDeposit(msg.sender);
        address[] memory tokens = _orderTokens();
        for (uint256 i = 0; i < tokens.length; ++i) {
            _emit(tokens[i], tokenAmounts[i]);
        }
        _emit(address(0), etherAmount);
    }

    function addressOf(bytes32 salt) public view returns (address) {
        return address(
            uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), address(this), salt, INIT_CODE_HASH))))
        );
    }

    function _flush(bytes32[] calldata salts, address[] calldata tokens, uint256 tokenGas) private {
        if (salts.length == 0 || salts.length > SALTS_MAX || tokens.length > TOKENS_MAX) revert SizeInvalid();
        bool persistent = persistentByDefault;
        if (!persistent) _checkNothingFollows(salts.length, tokens);
        _begin(persistent, tokenGas, tokens);
        uint256 gasNeeded = GAS_LEFT_MIN + tokens.length * GAS_LEFT_MIN_TOKEN;
        if (persistent) gasNeeded += GAS_LEFT_MIN_CODE;
        for (uint256 i = 0; i < salts.length; ++i) {
            if (gasleft() < gasNeeded) revert GasTooLow();
            address deposit = addressOf(salts[i]);
            bool standing = deposit.code.length != 0;
            if (!standing) {
                standing = _create(salts[i], deposit) && persistent;
                if (!standing) continue;
                emit MadePersistent(deposit);
            }
            _deliver(deposit);
        }
        _end();
    }

    function _checkNothingFollows(uint256 saltCount, address[] calldata tokens) private view {
        // A delegated account (EIP-7702) has code, and could go on after this call.
        // solhint-disable-next-line avoid-tx-origin
        if (msg.sender != tx.origin || msg.sender.code.length != 0) revert CallerNotPlain();
        if (saltCount == 1) return;
        for (uint256 i = 0; i < tokens.length; ++i) {
            if (!REGISTRY.isToken(tokens[i])) revert TokenNotListed(tokens[i]);
        }
    }

    function _begin(bool persistent, uint256 tokenGas, address[] memory tokens) private {
        address destination = REGISTRY.destination();
        if (destination == address(0)) revert NoDestination();
        (_destination, _persistent, _tokenGas, _tokenCount) = (destination, persistent, tokenGas, tokens.length);
        for (uint256 i = 0; i < tokens.length; ++i) {
            address token = tokens[i];
            if (token == address(0)) revert TokenInvalid(); // ETH needs no naming, and zero means ETH in events
            assembly ("memory-safe") {
                tstore(add(TOKENS_SLOT, i), token)
            }
        }
    }

    function _end() private {
        (_destination, _current) = (address(0), address(0));
    }

    function _create(bytes32 salt, address deposit) private returns (bool) {
        bytes memory initCode = type(Deposit).creationCode;
        address made;
        _current = deposit;
        assembly ("memory-safe") {
            made := create2(0, add(initCode, 32), mload(initCode), salt)
        }
        _current = address(0);
        if (made != address(0)) return true;
        emit SweepFailed(deposit, address(0));
        return false;
    }

    function _deliver(address deposit) private {
        _current = deposit;
        try Deposit(payable(deposit)).deliver() {}
        catch {
            emit SweepFailed(deposit, address(0));
        }
        _current = address(0);
    }

    function _emit(address token, uint256 amount) private {
        if (amount == FAILED) emit SweepFailed(_current, token);
        else if (amount != 0) emit Swept(_current, token, _destination, amount);
    }

    function _orderTokens() private view returns (address[] memory tokens) {
        tokens = new address[](_tokenCount);
        for (uint256 i = 0; i < tokens.length; ++i) {
            address token;
            assembly ("memory-safe") {
                token := tload(add(TOKENS_SLOT, i))
            }
            tokens[i] = token;
        }
    }

    function _onlyOperators() private view {
        if (msg.sender != REGISTRY.operators() && msg.sender != REGISTRY.owner()) revert NotAllowed(msg.sender);
    }
}
