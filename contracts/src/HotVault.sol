// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {Transfers} from "./lib/Transfers.sol";
import {VaultRoles} from "./VaultRoles.sol";
import {WindowCap} from "./lib/WindowCap.sol";

/// @title The hot wallet
/// @notice Pays what a quorum of signers has signed: each payout id at most once for ever, never more than
/// the cap of the asset in any 24 hours, and a recipient that fails fails alone. Anybody with a role pauses or
/// evacuates, and only to COLD.
contract HotVault is VaultRoles, EIP712, ReentrancyGuardTransient {
    using WindowCap for WindowCap.Window;

    bytes32 public constant PAY_TYPEHASH = keccak256(
        "Pay(address token,uint64 deadline,uint64 generation,uint64[] ids,bytes32[] items)"
    );
    /// 150 payments to new accounts cost 6M gas, well inside one transaction's 2^24 (EIP-7825).
    uint256 public constant PAYMENTS_MAX = 150;
    uint256 private constant SIGNATURE_LENGTH = 65;

    /// 256 ids to a word, for ever.
    mapping(uint256 word => uint256 bits) private _used;

    /// @param token zero means ETH
    event Paid(uint64 indexed id, address indexed token, address indexed to, uint256 amount);
    /// @notice Nothing was sent, and this id never pays again: another attempt needs a new id.
    event PayFailed(uint64 indexed id, address indexed token, address indexed to, uint256 amount);
    event Evacuated(address indexed token, uint256 amount);
    event EvacuateFailed(address indexed token);

    error DeadlinePassed(uint256 deadline);
    error BatchSizeInvalid();
    error IdsNotAscending(uint256 id);
    error IdUsed(uint256 id);
    error SignaturesInvalid();
    error BalanceTooLow(uint256 balance, uint256 total);
    error GasTooLow();

    constructor(Setup memory setup) VaultRoles(setup) EIP712("Portcullis HotVault", "1") {}

    receive() external payable {}

    /// @notice Pays a batch in one asset. Anybody may relay it.
    /// @param token zero means ETH
    /// @param deadline Unix seconds; refused later
    /// @param ids payout ids, strictly ascending; each is consumed, whether its payment succeeds or fails
    /// @param items amount (96 bits) above recipient (160 bits), one for each id
    /// @param signatures r, s, v of exactly `threshold` signers over `digest`, in ascending order of address
    function pay(
        address token,
        uint64 deadline,
        uint64[] calldata ids,
        bytes32[] calldata items,
        bytes calldata signatures
    ) external whenNotPaused nonReentrant {
        if (block.timestamp > deadline) revert DeadlinePassed(deadline);
        if (ids.length == 0 || ids.length > PAYMENTS_MAX || ids.length != items.length) revert BatchSizeInvalid();
        _checkSignatures(digest(token, deadline, ids, items), signatures);
        _consume(ids);
        uint256 total = _sum(items);
        _windows[token].spend(total);
        uint256 balance =
            token == address(0) ? address(this).balance : IERC20(token).balanceOf(address(this));
        if (balance < total) revert BalanceTooLow(balance, total);
        // Everything is recorded; only now does anything leave.
        uint256 failed = _payAll(token, ids, items);
        if (failed != 0) _windows[token].refund(failed);
    }

    /// @notice Pauses and sends everything of these assets to COLD, zero meaning ETH. Any role, at once, as
    /// often as needed. An asset that cannot move (a paused token) does not hold up the others.
    function evacuate(address[] calldata tokens) external onlyAnyRole nonReentrant {
        _pause();
        uint256 tokenGas = gasCaps.token;
        for (uint256 i = 0; i < tokens.length; ++i) {
            address token = tokens[i];
            (bool ok, uint256 amount) = token == address(0)
                ? (true, address(this).balance)
                : Transfers.balanceOf(token, address(this), tokenGas);
            if (ok && amount == 0) continue;
            if (ok) {
                ok = token == address(0)
                    ? Transfers.sendEther(COLD, amount, gasleft())
                    : Transfers.sendToken(token, COLD, amount, tokenGas);
            }
            if (ok) emit Evacuated(token, amount);
            else emit EvacuateFailed(token);
        }
    }

    /// @notice What signers sign, in the current generation (EIP-712).
    function digest(address token, uint64 deadline, uint64[] calldata ids, bytes32[] calldata items)
        public
        view
        returns (bytes32)
    {
        bytes32 structHash = keccak256(
            abi.encode(
                PAY_TYPEHASH,
                token,
                deadline,
                generation,
                keccak256(abi.encodePacked(ids)),
                keccak256(abi.encodePacked(items))
            )
        );
        return _hashTypedDataV4(structHash);
    }

    function isUsed(uint64 id) external view returns (bool) {
        return _used[id >> 8] & (1 << (id & 255)) != 0;
    }

    function _checkSignatures(bytes32 hash, bytes calldata signatures) private view {
        uint256 count = threshold;
        if (signatures.length != count * SIGNATURE_LENGTH) revert SignaturesInvalid();
        address previous = address(0);
        for (uint256 i = 0; i < count; ++i) {
            // OpenZeppelin's recovery refuses the malleable high s.
            (address signer, ECDSA.RecoverError refusal,) =
                ECDSA.tryRecoverCalldata(hash, signatures[i * SIGNATURE_LENGTH:(i + 1) * SIGNATURE_LENGTH]);
            if (refusal != ECDSA.RecoverError.NoError || signer <= previous || !isSigner(signer)) {
                revert SignaturesInvalid();
            }
            previous = signer;
        }
    }

    function _consume(uint64[] calldata ids) private {
        uint256 word = uint256(ids[0]) >> 8;
        uint256 bits = _used[word];
        for (uint256 i = 0; i < ids.length; ++i) {
            uint256 id = ids[i];
            if (i != 0 && id <= ids[i - 1]) revert IdsNotAscending(id);
            if (id >> 8 != word) {
                _used[word] = bits;
                word = id >> 8;
                bits = _used[word];
            }
            uint256 bit = 1 << (id & 255);
            if (bits & bit != 0) revert IdUsed(id);
            bits |= bit;
        }
        _used[word] = bits;
    }

    function _sum(bytes32[] calldata items) private pure returns (uint256 total) {
        for (uint256 i = 0; i < items.length; ++i) {
            total += uint256(items[i]) >> 160;
        }
    }

    /// @return failed the sum of what did not leave
    function _payAll(address token, uint64[] calldata ids, bytes32[] calldata items)
        private
        returns (uint256 failed)
    {
        GasCaps memory caps = gasCaps;
        uint256 gasMax = token == address(0) ? caps.ether_ : caps.token;
        // A call gets at most 63/64 of what is left (EIP-150) after its own price. Without this check a relayer
        // could choose a gas limit that starves a payment into PayFailed.
        uint256 gasNeeded = gasMax + gasMax / 63 + 1 + caps.overhead;
        for (uint256 i = 0; i < items.length; ++i) {
            (address to, uint256 amount) = (address(uint160(uint256(items[i]))), uint256(items[i]) >> 160);
            if (gasleft() < gasNeeded) revert GasTooLow();
            if (_send(token, to, amount, gasMax)) {
                emit Paid(ids[i], token, to, amount);
            } else {
                failed += amount;
                emit PayFailed(ids[i], token, to, amount);
            }
        }
    }

    /// Nothing to nobody, to ourselves, or of nothing: such an item would be recorded as paid to a customer.
    function _send(address token, address to, uint256 amount, uint256 gasMax) private returns (bool) {
        if (to == address(0) || to == address(this) || amount == 0) return false;
        if (token == address(0)) return Transfers.sendEther(to, amount, gasMax);
        return Transfers.sendToken(token, to, amount, gasMax);
    }
}
