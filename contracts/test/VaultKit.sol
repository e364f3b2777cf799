// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HotVault} from "../src/HotVault.sol";
import {VaultRoles} from "../src/VaultRoles.sol";
import {TestUSDT} from "../src/test-tokens/TestUSDT.sol";
import {TestUSDC} from "../src/test-tokens/TestUSDC.sol";
import {Box, Kit} from "./Kit.sol";

/// @notice A 2-of-3 vault with ETH, USDT and USDC, and the keys of its signers.
abstract contract VaultKit is Kit {
    address internal constant ETH = address(0);
    uint96 internal constant CAP_ETHER = 10 ether;
    uint96 internal constant CAP_TOKEN = 10_000e6;
    address internal constant OWNER = address(0x1001);
    address internal constant OPERATORS = address(0x1002);
    address internal constant GUARDIAN = address(0x1003);
    address internal constant STRANGER = address(0x1004);

    HotVault internal vault;
    address internal cold;
    TestUSDT internal usdt;
    TestUSDC internal usdc;
    /// In ascending order of their addresses.
    uint256[3] internal keys;

    function buildVault() internal {
        vm.warp(1_800_000_000);
        cold = address(new Box());
        usdt = TestUSDT(make("TestUSDT.sol:TestUSDT", ""));
        address code = make("TestUSDC.sol:TestUSDC", "");
        usdc = TestUSDC(make("TestUSDC.sol:TestUSDCProxy", abi.encode(code, OWNER, address(this))));
        keys = [uint256(11), 12, 13];
        _sortKeys();
        vault = newVault(setupOf(3));
        fill();
    }

    function newVault(VaultRoles.Setup memory setup) internal returns (HotVault) {
        return HotVault(payable(make("HotVault.sol:HotVault", abi.encode(setup))));
    }

    function fill() internal {
        vm.deal(address(vault), 100 ether);
        usdt.issue(100_000e6);
        usdt.transfer(address(vault), 100_000e6);
        usdc.mint(address(vault), 100_000e6);
    }

    function setupOf(uint256 signerCount) internal view returns (VaultRoles.Setup memory setup) {
        address[] memory signers = new address[](signerCount);
        for (uint256 i = 0; i < signerCount; ++i) {
            signers[i] = vm.addr(keys[i]);
        }
        VaultRoles.AssetCap[] memory caps = new VaultRoles.AssetCap[](3);
        caps[0] = VaultRoles.AssetCap(ETH, CAP_ETHER);
        caps[1] = VaultRoles.AssetCap(address(usdt), CAP_TOKEN);
        caps[2] = VaultRoles.AssetCap(address(usdc), CAP_TOKEN);
        return VaultRoles.Setup(cold, OWNER, OPERATORS, 2, signers, list(GUARDIAN), caps);
    }

    function item(address to, uint256 amount) internal pure returns (bytes32) {
        return bytes32((amount << 160) | uint160(to));
    }

    function one(uint64 id, address to, uint256 amount)
        internal
        pure
        returns (uint64[] memory ids, bytes32[] memory items)
    {
        ids = new uint64[](1);
        items = new bytes32[](1);
        (ids[0], items[0]) = (id, item(to, amount));
    }

    function signed(uint256 keyA, uint256 keyB, bytes32 digest) internal pure returns (bytes memory) {
        return bytes.concat(signedBy(keyA, digest), signedBy(keyB, digest));
    }

    function signedBy(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function pay(address token, uint64[] memory ids, bytes32[] memory items) internal {
        uint64 deadline = uint64(block.timestamp + 1 hours);
        bytes32 digest = vault.digest(token, deadline, ids, items);
        vault.pay(token, deadline, ids, items, signed(keys[0], keys[1], digest));
    }

    function payOne(address token, uint64 id, address to, uint256 amount) internal {
        (uint64[] memory ids, bytes32[] memory items) = one(id, to, amount);
        pay(token, ids, items);
    }

    function balance(address token, address holder) internal view returns (uint256) {
        if (token == ETH) return holder.balance;
        return TestUSDC(token).balanceOf(holder);
    }

    function _sortKeys() private {
        for (uint256 i = 0; i < 2; ++i) {
            for (uint256 j = i + 1; j < 3; ++j) {
                if (vm.addr(keys[j]) < vm.addr(keys[i])) (keys[i], keys[j]) = (keys[j], keys[i]);
            }
        }
    }
}
