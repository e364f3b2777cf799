// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Proves who may move the destination of deposits, and where to.

import {VaultRegistry} from "../src/VaultRegistry.sol";
import {Box, Kit} from "./Kit.sol";

contract VaultRegistryTest is Kit {
    address private constant OWNER = address(0x1001);
    address private constant OPERATORS = address(0x1002);
    address private constant GUARDIAN = address(0x1003);
    address private constant STRANGER = address(0x1004);

    VaultRegistry private _registry;
    address private _cold;
    address private _vault;
    address private _next;

    function setUp() public {
        (_cold, _vault, _next) = (address(new Box()), address(new Box()), address(new Box()));
        _registry = _new();
        _registry.initialize(_cold, OWNER, OPERATORS, list(GUARDIAN), _vault, new address[](0));
    }

    function test_initializesOnceAndByTheInitializerAlone() public {
        VaultRegistry fresh = _new();
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(VaultRegistry.NotAllowed.selector, STRANGER));
        fresh.initialize(_cold, STRANGER, STRANGER, list(STRANGER), _vault, new address[](0));
        vm.expectRevert(VaultRegistry.AlreadyInitialized.selector);
        _registry.initialize(_cold, OWNER, OPERATORS, list(GUARDIAN), _vault, new address[](0));
        vm.expectRevert(VaultRegistry.AddressInvalid.selector);
        fresh.initialize(STRANGER, OWNER, OPERATORS, list(GUARDIAN), _vault, new address[](0));
    }

    /// Every call that changes anything, by every kind of caller.
    function test_everyCallByEveryCaller() public {
        address[4] memory callers = [STRANGER, GUARDIAN, OPERATORS, OWNER];
        for (uint256 i = 0; i < 10; ++i) {
            for (uint256 c = 0; c < callers.length; ++c) {
                setUp();
                if (i == 2) _admit(_next);
                vm.prank(callers[c]);
                (bool ok,) = address(_registry).call(_call(i));
                // 0 is failover; 1 to 4 are OPERATORS'; the rest are OWNER's alone.
                bool wanted = i == 0 ? c > 0 : i <= 4 ? c > 1 : c == 3;
                yes(ok == wanted, string(abi.encodePacked("call ", bytes1(uint8(48 + i)), bytes1(uint8(48 + c)))));
            }
        }
    }

    function test_failoverIsAtOnceAndReversible() public {
        vm.prank(GUARDIAN);
        _registry.failover();
        eq(_registry.destination(), _cold, "cold");
        vm.prank(OPERATORS);
        _registry.setDestination(_vault);
        eq(_registry.destination(), _vault, "back");
    }

    function test_operatorsMoveOnlyAmongTheAdmitted() public {
        vm.prank(OPERATORS);
        vm.expectRevert(abi.encodeWithSelector(VaultRegistry.NotAdmitted.selector, _next));
        _registry.setDestination(_next);
        _admit(_next);
        vm.prank(OPERATORS);
        _registry.setDestination(_next);
        vm.prank(OPERATORS);
        _registry.revoke(_vault);
        vm.prank(OPERATORS);
        vm.expectRevert(abi.encodeWithSelector(VaultRegistry.NotAdmitted.selector, _vault));
        _registry.setDestination(_vault);
    }

    function test_neverRevokesColdOrTheCurrentDestination() public {
        address[2] memory inUse = [_cold, _vault];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(OPERATORS);
            vm.expectRevert(abi.encodeWithSelector(VaultRegistry.InUse.selector, inUse[i]));
            _registry.revoke(inUse[i]);
        }
    }

    function test_admitsOnlyCode() public {
        vm.prank(OWNER);
        vm.expectRevert(VaultRegistry.AddressInvalid.selector);
        _registry.admit(STRANGER);
    }

    function test_nothingBeforeInitialize() public {
        VaultRegistry fresh = _new();
        eq(fresh.destination(), address(0), "no destination");
        vm.expectRevert(abi.encodeWithSelector(VaultRegistry.NotAllowed.selector, address(this)));
        fresh.failover();
    }

    function _new() private returns (VaultRegistry) {
        return VaultRegistry(make("VaultRegistry.sol:VaultRegistry", abi.encode(address(this))));
    }

    function _admit(address candidate) private {
        vm.prank(OWNER);
        _registry.admit(candidate);
    }

    function _call(uint256 which) private view returns (bytes memory) {
        if (which == 0) return abi.encodeCall(_registry.failover, ());
        if (which == 1) return abi.encodeCall(_registry.setDestination, (_cold));
        if (which == 2) return abi.encodeCall(_registry.revoke, (_next));
        if (which == 3) return abi.encodeCall(_registry.removeGuardian, (GUARDIAN));
        if (which == 4) return abi.encodeCall(_registry.listToken, (_next, true));
        if (which == 5) return abi.encodeCall(_registry.admit, (_next));
        if (which == 6) return abi.encodeCall(_registry.setCold, (_vault));
        if (which == 7) return abi.encodeCall(_registry.setOwner, (STRANGER));
        if (which == 8) return abi.encodeCall(_registry.setOperators, (STRANGER));
        return abi.encodeCall(_registry.addGuardian, (STRANGER));
    }
}
