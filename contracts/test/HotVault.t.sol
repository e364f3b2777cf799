// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Proves what a payment needs, that it happens at most once, and that a recipient that fails fails alone.

import {HotVault} from "../src/HotVault.sol";
import {VaultRoles} from "../src/VaultRoles.sol";
import {WindowCap} from "../src/lib/WindowCap.sol";
import {HostileRecipient, HostileToken, HungryRecipient} from "./Hostile.sol";
import {DepositFactory} from "../src/DepositFactory.sol";
import {Vm} from "./Kit.sol";
import {VaultKit} from "./VaultKit.sol";

contract HotVaultTest is VaultKit {
    address private constant ALICE = address(0xa11ce);
    address private constant BOB = address(0xb0b);

    function setUp() public {
        buildVault();
    }

    function test_paysAllThreeAssets() public {
        address[3] memory tokens = [ETH, address(usdt), address(usdc)];
        for (uint64 i = 0; i < 3; ++i) {
            payOne(tokens[i], i + 1, ALICE, 1e6);
            eq(balance(tokens[i], ALICE), 1e6, "received");
            yes(vault.isUsed(i + 1), "used");
        }
        yes(!vault.isUsed(4), "id 4 is free");
    }

    /// The hash is built here from the standard's text, not with the vault's own code.
    function test_digestIsEip712() public view {
        (uint64[] memory ids, bytes32[] memory items) = one(7, ALICE, 5);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Portcullis HotVault"),
                keccak256("1"),
                block.chainid,
                address(vault)
            )
        );
        bytes32 payHash = keccak256(
            abi.encode(
                keccak256("Pay(address token,uint64 deadline,uint64 generation,uint64[] ids,bytes32[] items)"),
                ETH,
                uint64(99),
                uint64(1),
                keccak256(abi.encode(uint256(7))),
                keccak256(abi.encode(items[0]))
            )
        );
        bytes32 wanted = keccak256(abi.encodePacked(hex"1901", domain, payHash));
        yes(vault.digest(ETH, 99, ids, items) == wanted, "digest");
    }

    function test_refusesSignatures() public {
        (uint64[] memory ids, bytes32[] memory items) = one(1, ALICE, 1 ether);
        uint64 deadline = uint64(block.timestamp);
        bytes32 hash = vault.digest(ETH, deadline, ids, items);
        bytes memory first = signedBy(keys[0], hash);
        bytes memory second = signedBy(keys[1], hash);
        bytes[8] memory bad = [
            first, // below the threshold
            bytes.concat(first, second, signedBy(keys[2], hash)), // more than the threshold
            bytes.concat(first, first), // one signer twice
            bytes.concat(second, first), // not ascending
            bytes.concat(first, signedBy(99, hash)), // a stranger
            bytes.concat(first, signedBy(keys[1], keccak256("other"))), // another digest
            bytes.concat(first, _highS(keys[1], hash)), // the malleable twin
            ""
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(HotVault.SignaturesInvalid.selector);
            vault.pay(ETH, deadline, ids, items, bad[i]);
        }
        vault.pay(ETH, deadline, ids, items, bytes.concat(first, second));
        eq(ALICE.balance, 1 ether, "paid once with good signatures");
    }

    function test_signatureCoversEveryField() public {
        (uint64[] memory ids, bytes32[] memory items) = one(1, ALICE, 1 ether);
        uint64 deadline = uint64(block.timestamp + 5);
        bytes memory good = signed(keys[0], keys[1], vault.digest(ETH, deadline, ids, items));
        vm.expectRevert(HotVault.SignaturesInvalid.selector);
        vault.pay(ETH, deadline + 1, ids, items, good);
        vm.expectRevert(HotVault.SignaturesInvalid.selector);
        vault.pay(address(usdt), deadline, ids, items, good);
        ids[0] = 2;
        vm.expectRevert(HotVault.SignaturesInvalid.selector);
        vault.pay(ETH, deadline, ids, items, good);
        (ids[0], items[0]) = (1, item(BOB, 1 ether));
        vm.expectRevert(HotVault.SignaturesInvalid.selector);
        vault.pay(ETH, deadline, ids, items, good);
        HotVault other = newVault(setupOf(3));
        items[0] = item(ALICE, 1 ether);
        vm.expectRevert(HotVault.SignaturesInvalid.selector);
        other.pay(ETH, deadline, ids, items, good);
    }

    function test_refusesReplayForEver() public {
        payOne(ETH, 300, ALICE, 1 ether);
        (uint64[] memory ids, bytes32[] memory items) = one(300, ALICE, 1 ether);
        bytes memory signatures =
            signed(keys[0], keys[1], vault.digest(ETH, type(uint64).max, ids, items));
        vm.warp(block.timestamp + 400 days);
        vm.expectRevert(abi.encodeWithSelector(HotVault.IdUsed.selector, 300));
        vault.pay(ETH, type(uint64).max, ids, items, signatures);
        eq(ALICE.balance, 1 ether, "once");
    }

    function test_refusesLatePausedAndMalformedBatches() public {
        (uint64[] memory ids, bytes32[] memory items) = one(1, ALICE, 1 ether);
        vm.expectRevert(abi.encodeWithSelector(HotVault.DeadlinePassed.selector, block.timestamp - 1));
        vault.pay(ETH, uint64(block.timestamp - 1), ids, items, "");
        vm.expectRevert(HotVault.BatchSizeInvalid.selector);
        vault.pay(ETH, type(uint64).max, ids, new bytes32[](2), "");
        vm.expectRevert(HotVault.BatchSizeInvalid.selector);
        vault.pay(ETH, type(uint64).max, new uint64[](0), new bytes32[](0), "");
        vm.expectRevert(HotVault.BatchSizeInvalid.selector);
        vault.pay(ETH, type(uint64).max, new uint64[](151), new bytes32[](151), "");
        vm.prank(GUARDIAN);
        vault.pause();
        vm.expectRevert(VaultRoles.IsPaused.selector);
        vault.pay(ETH, type(uint64).max, ids, items, "");
    }

    function test_refusesIdsThatDoNotAscend() public {
        for (uint64 second = 4; second <= 5; ++second) {
            uint64[] memory ids = new uint64[](2);
            bytes32[] memory items = new bytes32[](2);
            (ids[0], ids[1]) = (5, second);
            (items[0], items[1]) = (item(ALICE, 1), item(BOB, 1));
            bytes memory signatures =
                signed(keys[0], keys[1], vault.digest(ETH, type(uint64).max, ids, items));
            vm.expectRevert(abi.encodeWithSelector(HotVault.IdsNotAscending.selector, second));
            vault.pay(ETH, type(uint64).max, ids, items, signatures);
        }
        yes(!vault.isUsed(5), "nothing consumed");
    }

    function test_tooLittleBalanceRevertsAll() public {
        vm.deal(address(vault), 1 ether);
        (uint64[] memory ids, bytes32[] memory items) = one(1, ALICE, 2 ether);
        bytes memory signatures = signed(keys[0], keys[1], vault.digest(ETH, type(uint64).max, ids, items));
        vm.expectRevert(abi.encodeWithSelector(HotVault.BalanceTooLow.selector, 1 ether, 2 ether));
        vault.pay(ETH, type(uint64).max, ids, items, signatures);
        yes(!vault.isUsed(1), "not consumed");
        (, uint256 spent) = vault.limitOf(ETH);
        eq(spent, 0, "not counted");
    }

    function test_failingRecipientsFailAlone() public {
        address[] memory to = new address[](7);
        to[0] = ALICE;
        for (uint8 i = 0; i < 3; ++i) {
            to[i + 1] = address(new HostileRecipient(HostileRecipient.Habit(i), vault));
        }
        (to[4], to[5], to[6]) = (address(0), address(vault), BOB);
        (uint64[] memory ids, bytes32[] memory items) = _batch(to, 1 ether);
        vm.recordLogs();
        pay(ETH, ids, items);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        eq(countLogs(logs, HotVault.Paid.selector), 2, "paid");
        eq(countLogs(logs, HotVault.PayFailed.selector), 5, "failed");
        eq(ALICE.balance + BOB.balance, 2 ether, "the honest two have theirs");
        eq(address(vault).balance, 98 ether, "the rest never left");
        (, uint256 spent) = vault.limitOf(ETH);
        eq(spent, 2 ether, "only what left counts");
        for (uint64 i = 0; i < 7; ++i) {
            yes(vault.isUsed(ids[i]), "failed is terminal");
        }
    }

    /// A batch that its own recipient would pay a second time from inside.
    function test_reentrantPaymentIsRefused() public {
        HostileRecipient thief = new HostileRecipient(HostileRecipient.Habit.Reenters, vault);
        (uint64[] memory ids, bytes32[] memory items) = one(8, ALICE, 1 ether);
        bytes memory inner = signed(keys[0], keys[1], vault.digest(ETH, type(uint64).max, ids, items));
        thief.arm(abi.encodeCall(vault.pay, (ETH, type(uint64).max, ids, items, inner)));
        payOne(ETH, 1, address(thief), 1 ether);
        eq(address(thief).balance + ALICE.balance, 0, "nothing left from inside");
    }

    function test_blockedRecipientFailsAlone() public {
        usdc.blacklist(ALICE);
        address[] memory to = new address[](3);
        (to[0], to[1], to[2]) = (ALICE, address(usdc), BOB);
        (uint64[] memory ids, bytes32[] memory items) = _batch(to, 1e6);
        pay(address(usdc), ids, items);
        eq(usdc.balanceOf(BOB), 1e6, "bob");
        eq(usdc.balanceOf(address(vault)), 100_000e6 - 1e6, "the rest never left");
    }

    function test_tokenThatReturnsFalseIsFailed() public {
        HostileToken.Habit[4] memory habits = [
            HostileToken.Habit.ReturnsFalse,
            HostileToken.Habit.ReturndataBomb,
            HostileToken.Habit.ShortAnswer,
            HostileToken.Habit.BurnsAllGas
        ];
        for (uint64 i = 0; i < 4; ++i) {
            HostileToken token = new HostileToken(habits[i], DepositFactory(address(0)));
            token.mint(address(vault), 100);
            vm.prank(OWNER);
            vault.approveCap(address(token), 100);
            vm.recordLogs();
            payOne(address(token), i + 1, ALICE, 10);
            eq(countLogs(vm.getRecordedLogs(), HotVault.PayFailed.selector), 1, "failed");
            eq(token.balanceOf(address(vault)), 100, "kept");
        }
    }

    function test_assetWithoutCapIsRefused() public {
        HostileToken token = new HostileToken(HostileToken.Habit.Honest, DepositFactory(address(0)));
        token.mint(address(vault), 100);
        (uint64[] memory ids, bytes32[] memory items) = one(1, ALICE, 1);
        bytes32 hash = vault.digest(address(token), type(uint64).max, ids, items);
        vm.expectRevert(abi.encodeWithSelector(WindowCap.OverCap.selector, 0, 1, 0));
        vault.pay(address(token), type(uint64).max, ids, items, signed(keys[0], keys[1], hash));
    }

    /// Whatever gas a relayer gives: the batch reverts, or every payment gets what it was promised.
    function testFuzz_relayerCannotStarve(uint256 gasLimit) public {
        gasLimit = bound(gasLimit, 30_000, 600_000);
        address[] memory to = new address[](3);
        for (uint256 i = 0; i < 3; ++i) {
            to[i] = address(new HungryRecipient());
        }
        (uint64[] memory ids, bytes32[] memory items) = _batch(to, 1 ether);
        uint64 deadline = type(uint64).max;
        bytes memory signatures = signed(keys[0], keys[1], vault.digest(ETH, deadline, ids, items));
        try vault.pay{gas: gasLimit}(ETH, deadline, ids, items, signatures) {
            eq(to[0].balance + to[1].balance + to[2].balance, 3 ether, "all three were paid");
        } catch {
            yes(!vault.isUsed(ids[0]), "nothing consumed");
        }
    }

    /// From far too little gas upwards, in steps far smaller than what a call costs: the first batch that does
    /// not revert has paid.
    function test_firstGasThatDoesNotRevertPays() public {
        address hungry = address(new HungryRecipient());
        (uint64[] memory ids, bytes32[] memory items) = one(1, hungry, 1 ether);
        bytes32 hash = vault.digest(ETH, type(uint64).max, ids, items);
        bytes memory signatures = signed(keys[0], keys[1], hash);
        for (uint256 gasLimit = 60_000; gasLimit < 400_000; gasLimit += 500) {
            try vault.pay{gas: gasLimit}(ETH, type(uint64).max, ids, items, signatures) {
                eq(hungry.balance, 1 ether, "paid");
                return;
            } catch {
                yes(!vault.isUsed(1), "nothing consumed");
            }
        }
        revert Untrue("enough gas pays");
    }

    /// Any ascending set of ids in any words: each is consumed, its neighbours are not.
    function testFuzz_idsAreConsumedExactly(uint64 start, uint64[12] memory gaps) public {
        uint64[] memory ids = new uint64[](12);
        bytes32[] memory items = new bytes32[](12);
        uint64 id = uint64(bound(start, 0, 1 << 40));
        for (uint256 i = 0; i < 12; ++i) {
            id += 2 + uint64(bound(gaps[i], 0, 600));
            (ids[i], items[i]) = (id, item(ALICE, 1));
        }
        pay(ETH, ids, items);
        for (uint256 i = 0; i < 12; ++i) {
            yes(vault.isUsed(ids[i]), "used");
            yes(!vault.isUsed(ids[i] - 1), "its neighbour is free");
        }
        eq(ALICE.balance, 12, "each once");
    }

    function _batch(address[] memory to, uint256 amount)
        private
        pure
        returns (uint64[] memory ids, bytes32[] memory items)
    {
        ids = new uint64[](to.length);
        items = new bytes32[](to.length);
        for (uint64 i = 0; i < to.length; ++i) {
            (ids[i], items[i]) = (1000 + i, item(to[i], amount));
        }
    }

    function _highS(uint256 key, bytes32 hash) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        return abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
    }
}
