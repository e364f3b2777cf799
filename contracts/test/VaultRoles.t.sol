// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Proves who may do what with a vault: everybody tightens, OPERATORS reopen, only OWNER widens.

import {HotVault} from "../src/HotVault.sol";
import {VaultRoles} from "../src/VaultRoles.sol";
import {MemberSet} from "../src/lib/MemberSet.sol";
import {Box} from "./Kit.sol";
import {VaultKit} from "./VaultKit.sol";

contract VaultRolesTest is VaultKit {
    uint8 private constant ANY = 1;
    uint8 private constant FAST = 2;
    uint8 private constant SLOW = 3;

    function setUp() public {
        buildVault();
    }

    /// Every call that changes anything, by every kind of caller.
    function test_everyCallByEveryCaller() public {
        address[5] memory callers = [STRANGER, vm.addr(keys[0]), GUARDIAN, OPERATORS, OWNER];
        (bytes[] memory calls, uint8[] memory rights) = _calls();
        for (uint256 i = 0; i < calls.length; ++i) {
            for (uint256 c = 0; c < callers.length; ++c) {
                buildVault();
                if (i == 1) _as(GUARDIAN, abi.encodeCall(vault.pause, ()));
                if (i == 4) _as(GUARDIAN, abi.encodeCall(vault.lowerCap, (ETH, 0)));
                vm.prank(callers[c]);
                (bool ok,) = address(vault).call(calls[i]);
                bool wanted = c == 4 || (rights[i] == FAST && c == 3) || (rights[i] == ANY && c != 0);
                yes(ok == wanted, string.concat("call ", _digit(i), " by caller ", _digit(c)));
            }
        }
    }

    function test_evacuateMovesEachAssetAlone() public {
        usdt.pause();
        address[] memory tokens = new address[](3);
        (tokens[0], tokens[1], tokens[2]) = (address(usdt), ETH, address(usdc));
        vm.prank(GUARDIAN);
        vault.evacuate(tokens);
        eq(cold.balance, 100 ether, "ETH");
        eq(usdc.balanceOf(cold), 100_000e6, "USDC");
        eq(usdt.balanceOf(address(vault)), 100_000e6, "USDT is stuck, alone");
        yes(vault.paused(), "paused");
        usdt.unpause();
        vm.prank(vm.addr(keys[2]));
        vault.evacuate(tokens);
        eq(usdt.balanceOf(cold), 100_000e6, "again while paused");
    }

    function test_unpauseKillsOutstandingSignatures() public {
        (uint64[] memory ids, bytes32[] memory items) = one(1, STRANGER, 1 ether);
        bytes memory old = signed(keys[0], keys[1], vault.digest(ETH, type(uint64).max, ids, items));
        _as(GUARDIAN, abi.encodeCall(vault.pause, ()));
        _as(OPERATORS, abi.encodeCall(vault.unpause, ()));
        eq(vault.generation(), 2, "generation");
        vm.expectRevert(HotVault.SignaturesInvalid.selector);
        vault.pay(ETH, type(uint64).max, ids, items, old);
    }

    function test_unpauseNeedsASpareSigner() public {
        _as(GUARDIAN, abi.encodeCall(vault.pause, ()));
        _as(OPERATORS, abi.encodeCall(vault.removeSigner, (vm.addr(keys[0]))));
        vm.prank(OPERATORS);
        vm.expectRevert(abi.encodeWithSelector(VaultRoles.TooFewSigners.selector, 2, 3));
        vault.unpause();
        _as(OWNER, abi.encodeCall(vault.addSigner, (STRANGER)));
        _as(OPERATORS, abi.encodeCall(vault.unpause, ()));
        yes(!vault.paused(), "open");
    }

    /// One guardian lowers, pauses and evacuates in a loop; OPERATORS end it without OWNER's delay.
    function test_operatorsEndAHostageTaking() public {
        _as(GUARDIAN, abi.encodeCall(vault.lowerCap, (ETH, 0)));
        _as(GUARDIAN, abi.encodeCall(vault.evacuate, (list(ETH))));
        _as(OPERATORS, abi.encodeCall(vault.removeGuardian, (GUARDIAN)));
        vm.prank(GUARDIAN);
        vm.expectRevert(abi.encodeWithSelector(VaultRoles.NotAllowed.selector, GUARDIAN));
        vault.pause();
        _as(OPERATORS, abi.encodeCall(vault.restoreCap, (ETH, CAP_ETHER)));
        _as(OPERATORS, abi.encodeCall(vault.unpause, ()));
        vm.deal(address(vault), 100 ether);
        payOne(ETH, 1, STRANGER, 1 ether);
        eq(STRANGER.balance, 1 ether, "in service again");
    }

    function test_operatorsCannotExceedWhatOwnerApproved() public {
        vm.prank(OPERATORS);
        vm.expectRevert(VaultRoles.CapInvalid.selector);
        vault.restoreCap(ETH, CAP_ETHER + 1);
        _as(OWNER, abi.encodeCall(vault.approveCap, (ETH, 1 ether)));
        vm.prank(OPERATORS);
        vm.expectRevert(VaultRoles.CapInvalid.selector);
        vault.restoreCap(ETH, 2 ether);
        vm.prank(GUARDIAN);
        vm.expectRevert(VaultRoles.CapInvalid.selector);
        vault.lowerCap(ETH, 1 ether);
    }

    function test_removedSignerCannotSign() public {
        _as(OPERATORS, abi.encodeCall(vault.removeSigner, (vm.addr(keys[0]))));
        (uint64[] memory ids, bytes32[] memory items) = one(1, STRANGER, 1);
        bytes32 hash = vault.digest(ETH, type(uint64).max, ids, items);
        vm.expectRevert(HotVault.SignaturesInvalid.selector);
        vault.pay(ETH, type(uint64).max, ids, items, signed(keys[0], keys[1], hash));
        vault.pay(ETH, type(uint64).max, ids, items, signed(keys[1], keys[2], hash));
    }

    function test_everyRoleChangeRaisesTheGeneration() public {
        bytes[6] memory calls = [
            abi.encodeCall(vault.addSigner, (STRANGER)),
            abi.encodeCall(vault.removeSigner, (STRANGER)),
            abi.encodeCall(vault.addGuardian, (STRANGER)),
            abi.encodeCall(vault.removeGuardian, (STRANGER)),
            abi.encodeCall(vault.setThreshold, (2)),
            abi.encodeCall(vault.setOperators, (STRANGER))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            uint256 before = vault.generation();
            _as(OWNER, calls[i]);
            eq(vault.generation(), before + 1, "generation");
        }
    }

    function test_refusesBadSetups() public {
        VaultRoles.Setup memory setup = setupOf(2);
        vm.expectRevert(abi.encodeWithSelector(VaultRoles.TooFewSigners.selector, 2, 3));
        this.build(setup);
        setup = setupOf(3);
        setup.threshold = 1;
        vm.expectRevert(VaultRoles.ThresholdInvalid.selector);
        this.build(setup);
        setup = setupOf(3);
        setup.signers[1] = setup.signers[0];
        vm.expectRevert(abi.encodeWithSelector(MemberSet.MemberInvalid.selector, setup.signers[0]));
        this.build(setup);
        setup = setupOf(3);
        setup.cold = STRANGER; // no code
        vm.expectRevert(VaultRoles.AddressInvalid.selector);
        this.build(setup);
        setup = setupOf(3);
        setup.owner = address(0);
        vm.expectRevert(VaultRoles.AddressInvalid.selector);
        this.build(setup);
    }

    function test_gasCapsStayInBounds() public {
        VaultRoles.GasCaps[4] memory bad = [
            VaultRoles.GasCaps(29_999, 200_000, 45_000),
            VaultRoles.GasCaps(50_000, 59_999, 45_000),
            VaultRoles.GasCaps(50_000, 200_000, 39_999),
            VaultRoles.GasCaps(50_000, 2_000_001, 45_000)
        ];
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(OWNER);
            vm.expectRevert(VaultRoles.GasCapsInvalid.selector);
            vault.setGasCaps(bad[i]);
        }
    }

    function build(VaultRoles.Setup calldata setup) external {
        newVault(setup);
    }

    function _calls() private view returns (bytes[] memory calls, uint8[] memory rights) {
        calls = new bytes[](14);
        rights = new uint8[](14);
        (calls[0], rights[0]) = (abi.encodeCall(vault.pause, ()), ANY);
        (calls[1], rights[1]) = (abi.encodeCall(vault.unpause, ()), FAST);
        (calls[2], rights[2]) = (abi.encodeCall(vault.evacuate, (list(ETH))), ANY);
        (calls[3], rights[3]) = (abi.encodeCall(vault.lowerCap, (ETH, 1)), ANY);
        (calls[4], rights[4]) = (abi.encodeCall(vault.restoreCap, (ETH, CAP_ETHER)), FAST);
        (calls[5], rights[5]) = (abi.encodeCall(vault.approveCap, (ETH, 11 ether)), SLOW);
        (calls[6], rights[6]) = (abi.encodeCall(vault.removeSigner, (vm.addr(keys[2]))), FAST);
        (calls[7], rights[7]) = (abi.encodeCall(vault.removeGuardian, (GUARDIAN)), FAST);
        (calls[8], rights[8]) = (abi.encodeCall(vault.addSigner, (STRANGER)), SLOW);
        (calls[9], rights[9]) = (abi.encodeCall(vault.addGuardian, (STRANGER)), SLOW);
        (calls[10], rights[10]) = (abi.encodeCall(vault.setThreshold, (2)), SLOW);
        (calls[11], rights[11]) = (abi.encodeCall(vault.setOwner, (STRANGER)), SLOW);
        (calls[12], rights[12]) = (abi.encodeCall(vault.setOperators, (STRANGER)), SLOW);
        VaultRoles.GasCaps memory gasCaps = VaultRoles.GasCaps(60_000, 300_000, 50_000);
        (calls[13], rights[13]) = (abi.encodeCall(vault.setGasCaps, (gasCaps)), SLOW);
    }

    function _as(address caller, bytes memory data) private {
        vm.prank(caller);
        (bool ok,) = address(vault).call(data);
        yes(ok, "allowed");
    }

    function _digit(uint256 value) private pure returns (string memory) {
        return string(abi.encodePacked(bytes1(uint8(65 + value))));
    }
}
