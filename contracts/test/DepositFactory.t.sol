// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// Proves that whatever arrives at a deposit address can only reach the registry's destination, whoever
// flushes it and however hostile the tokens are that they name.

import {DepositFactory} from "../src/DepositFactory.sol";
import {VaultRegistry} from "../src/VaultRegistry.sol";
import {TestContractWallet} from "../src/test-tokens/TestContractWallet.sol";
import {TestUSDC} from "../src/test-tokens/TestUSDC.sol";
import {TestUSDT} from "../src/test-tokens/TestUSDT.sol";
import {BurningToken, HostileToken} from "./Hostile.sol";
import {Box, Kit, Vm} from "./Kit.sol";

contract DepositFactoryTest is Kit {
    address private constant GUARDIAN = address(0x1003);
    address private constant STRANGER = address(0x1004);

    VaultRegistry private _registry;
    DepositFactory private _factory;
    TestUSDT private _usdt;
    TestUSDC private _usdc;
    address private _cold;
    address private _vault;

    function setUp() public {
        (_cold, _vault) = (address(new Box()), address(new Box()));
        _registry = _newRegistry();
        _registry.initialize(_cold, address(this), address(this), list(GUARDIAN), _vault, new address[](0));
        _factory = _newFactory(_registry);
        _usdt = TestUSDT(make("TestUSDT.sol:TestUSDT", ""));
        _usdc = TestUSDC(make("TestUSDC.sol:TestUSDC", ""));
        _usdc.initialize(address(this));
        _usdt.issue(1e18);
        _registry.listToken(address(_usdt), true);
        _registry.listToken(address(_usdc), true);
        vm.deal(address(this), 1000 ether);
    }

    function test_movesEverythingInOneCreateAndRepeats() public {
        for (uint256 round = 1; round <= 3; ++round) {
            address deposit = _fund(1, 1 ether, 5e6, 7e6);
            vm.recordLogs();
            _flush(_salts(1), _tokens());
            Vm.Log[] memory logs = vm.getRecordedLogs();
            eq(countLogs(logs, DepositFactory.Swept.selector), 3, "three events");
            eq(countLogs(logs, DepositFactory.SweepFailed.selector), 0, "no failure");
            eq(_vault.balance, round * 1 ether, "ETH");
            eq(_usdt.balanceOf(_vault), round * 5e6, "USDT");
            eq(_usdc.balanceOf(_vault), round * 7e6, "USDC");
            eq(deposit.code.length + deposit.balance, 0, "nothing stays");
        }
    }

    function test_sweptTellsWhatWasDelivered() public {
        _usdt.setParams(10, 49);
        address deposit = _fund(1, 3 ether, 1000e6, 0);
        uint256 held = _usdt.balanceOf(deposit);
        vm.recordLogs();
        _flush(_salts(1), _tokens());
        Vm.Log[] memory logs = vm.getRecordedLogs();
        uint256 seen;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != DepositFactory.Swept.selector) continue;
            eq(logs[i].emitter, address(_factory), "emitter");
            eq(address(uint160(uint256(logs[i].topics[1]))), deposit, "deposit");
            eq(address(uint160(uint256(logs[i].topics[3]))), _vault, "destination");
            bool isEther = logs[i].topics[2] == bytes32(0);
            eq(abi.decode(logs[i].data, (uint256)), isEther ? 3 ether : held - held / 1000, "net amount");
            ++seen;
        }
        eq(seen, 2, "USDT and ETH, nothing for an empty USDC");
        eq(_usdt.balanceOf(_vault), held - held / 1000, "net of the fee");
    }

    function test_oldAddressesDeliverToColdAfterFailover() public {
        _fund(1, 1 ether, 5e6, 0);
        vm.prank(GUARDIAN);
        _registry.failover();
        vm.prank(STRANGER, STRANGER);
        _factory.flush(_salts(1), _tokens());
        eq(_cold.balance, 1 ether, "ETH");
        eq(_usdt.balanceOf(_cold), 5e6, "USDT");
    }

    function test_failingTokenFailsAlone() public {
        _fund(1, 1 ether, 5e6, 7e6);
        _usdt.pause();
        vm.recordLogs();
        _flush(_salts(1), _tokens());
        eq(countLogs(vm.getRecordedLogs(), DepositFactory.SweepFailed.selector), 1, "one failure");
        eq(_vault.balance, 1 ether, "ETH moved");
        eq(_usdc.balanceOf(_vault), 7e6, "USDC moved");
        _usdt.unpause();
        _flush(_salts(1), _tokens());
        eq(_usdt.balanceOf(_vault), 5e6, "USDT later");
    }

    function test_blockedAddressKeepsItsTokenAndGivesItsEther() public {
        address deposit = _fund(1, 1 ether, 5e6, 7e6);
        _usdc.blacklist(deposit);
        _usdt.addBlackList(deposit);
        _flush(_salts(1), _tokens());
        eq(_vault.balance, 1 ether, "ETH moved");
        eq(_usdc.balanceOf(deposit), 7e6, "USDC waits");
    }

    function test_saltNamedTwiceFailsOnce() public {
        _fund(1, 1 ether, 5e6, 0);
        bytes32[] memory salts = new bytes32[](2);
        (salts[0], salts[1]) = (bytes32(uint256(1)), bytes32(uint256(1)));
        vm.recordLogs();
        _flush(salts, _tokens());
        eq(countLogs(vm.getRecordedLogs(), DepositFactory.SweepFailed.selector), 1, "the second");
        eq(_vault.balance, 1 ether, "ETH");
    }

    /// The hole of an earlier design: a stranger's token clears the destination and the rest is burnt.
    function test_reentranceCannotBurnEther() public {
        for (uint256 i = 1; i <= 3; ++i) {
            _fund(i, 1 ether, 0, 0);
        }
        BurningToken token = new BurningToken(_factory);
        _registry.listToken(address(token), true); // by mistake: the lock must hold all the same
        _flush(_salts(3), list(address(token)));
        yes(token.wasRefused(), "the token did try");
        eq(_vault.balance, 3 ether, "all of it is in the vault");
    }

    /// ETH that arrives after the sweep in its transaction is burnt, so nobody may arrange for that.
    function test_nothingCanFollowASweepInItsTransaction() public {
        address deposit = _fund(1, 1 ether, 0, 0);
        FlushThenPay griefer = new FlushThenPay();
        vm.expectRevert(DepositFactory.CallerNotPlain.selector);
        griefer.run{value: 1 ether}(_factory, _salts(1), payable(deposit));
        vm.prank(address(griefer), address(griefer)); // as a delegated account would look
        vm.expectRevert(DepositFactory.CallerNotPlain.selector);
        _factory.flush(_salts(1), new address[](0));
        address unlisted = address(new BurningToken(_factory));
        _fund(2, 1 ether, 0, 0);
        vm.prank(STRANGER, STRANGER);
        vm.expectRevert(abi.encodeWithSelector(DepositFactory.TokenNotListed.selector, unlisted));
        _factory.flush(_salts(2), list(unlisted));
        _flush(_salts(1), list(unlisted));
        eq(_vault.balance, 1 ether, "one at a time");
        _factory.setPersistentByDefault(true);
        bytes32[] memory fresh = new bytes32[](1);
        fresh[0] = bytes32(uint256(9));
        deposit = _factory.addressOf(fresh[0]);
        griefer.run{value: 1 ether}(_factory, fresh, payable(deposit));
        eq(deposit.balance, 1 ether, "a forwarder keeps what follows");
    }

    function testFuzz_hostileTokensBlockNothing(uint8[6] memory habits, uint8 order) public {
        for (uint256 i = 1; i <= 3; ++i) {
            _fund(i, 1 ether, 5e6, 7e6);
        }
        address[] memory tokens = new address[](8);
        for (uint256 i = 0; i < 6; ++i) {
            HostileToken token = new HostileToken(HostileToken.Habit(bound(habits[i], 0, 9)), _factory);
            for (uint256 salt = 1; salt <= 3; ++salt) {
                token.mint(_factory.addressOf(bytes32(salt)), 100);
            }
            _registry.listToken(address(token), true); // by mistake
            tokens[(i + order) % 8] = address(token);
        }
        tokens[uint256(6 + uint256(order)) % 8] = address(_usdt);
        tokens[uint256(7 + uint256(order)) % 8] = address(_usdc);
        vm.prank(STRANGER, STRANGER);
        _factory.flush{gas: 16_000_000}(_salts(3), tokens);
        eq(_vault.balance, 3 ether, "ETH");
        eq(_usdt.balanceOf(_vault), 15e6, "USDT");
        eq(_usdc.balanceOf(_vault), 21e6, "USDC");
    }

    /// However little gas a caller gives, what does not arrive is still at its address.
    function testFuzz_etherIsConserved(uint256 gasLimit, uint96[4] memory amounts, bool persistent) public {
        _factory.setPersistentByDefault(persistent);
        uint256 total;
        for (uint256 i = 0; i < 4; ++i) {
            uint256 amount = bound(amounts[i], 0, 200 ether);
            _fund(i + 1, amount, 0, 0);
            total += amount;
        }
        vm.prank(STRANGER, STRANGER);
        try _factory.flush{gas: bound(gasLimit, 30_000, 900_000)}(_salts(4), _tokens()) {} catch {}
        uint256 waiting;
        for (uint256 i = 1; i <= 4; ++i) {
            waiting += _factory.addressOf(bytes32(i)).balance;
        }
        eq(_vault.balance + waiting, total, "conserved");
        _flush(_salts(4), _tokens());
        eq(_vault.balance, total, "and delivered by the next flush");
    }

    function test_persistentIsTheSameAddressForEver() public {
        address deposit = _fund(1, 1 ether, 5e6, 0);
        _factory.makePersistent(_salts(1));
        yes(deposit.code.length != 0, "it stays");
        eq(deposit.balance, 1 ether, "untouched until the flush");
        for (uint256 round = 1; round <= 2; ++round) {
            _flush(_salts(1), _tokens());
            eq(_vault.balance, round * 1 ether, "ETH");
            eq(_usdt.balanceOf(_vault), round * 5e6, "USDT");
            _fund(1, 1 ether, 5e6, 0);
        }
        _wallet().forwardWithStipend{value: 1 ether}(payable(deposit)); // 2,300 gas are enough
        vm.prank(STRANGER);
        (bool ok,) = deposit.call(abi.encodeWithSignature("deliver()"));
        yes(!ok, "only the factory orders");
    }

    function test_persistentByDefaultNeedsNoSelfdestruct() public {
        _factory.setPersistentByDefault(true);
        address deposit = _fund(1, 1 ether, 5e6, 7e6);
        _flush(_salts(1), _tokens());
        yes(deposit.code.length != 0, "it stays");
        _fund(1, 1 ether, 0, 0);
        _flush(_salts(1), _tokens());
        eq(_vault.balance, 2 ether, "ETH");
        eq(_usdc.balanceOf(_vault), 7e6, "USDC");
    }

    function test_tooLittleGasRevertsAndFailsNothing() public {
        for (uint256 i = 1; i <= 3; ++i) {
            _fund(i, 1 ether, 0, 0);
        }
        for (uint256 gasLimit = 50_000; gasLimit < 900_000; gasLimit += 20_000) {
            vm.recordLogs();
            vm.prank(STRANGER, STRANGER);
            try _factory.flush{gas: gasLimit}(_salts(3), new address[](0)) {
                eq(_vault.balance, 3 ether, "all three");
                eq(countLogs(vm.getRecordedLogs(), DepositFactory.SweepFailed.selector), 0, "no failure");
                return;
            } catch {}
        }
        revert Untrue("enough gas sweeps");
    }

    function test_refusals() public {
        vm.prank(STRANGER, STRANGER);
        vm.expectRevert(DepositFactory.SizeInvalid.selector);
        _factory.flush(new bytes32[](0), _tokens());
        vm.prank(STRANGER, STRANGER);
        vm.expectRevert(DepositFactory.SizeInvalid.selector);
        _factory.flush(new bytes32[](201), _tokens());
        vm.prank(STRANGER, STRANGER);
        vm.expectRevert(DepositFactory.SizeInvalid.selector);
        _factory.flush(_salts(1), new address[](17));
        vm.prank(STRANGER, STRANGER);
        vm.expectRevert(DepositFactory.TokenInvalid.selector);
        _factory.flush(_salts(1), list(address(0)));
        vm.expectRevert(abi.encodeWithSelector(DepositFactory.NotCurrentDeposit.selector, address(this)));
        _factory.report(new uint256[](0), 1);
        DepositFactory orphan = _newFactory(_newRegistry());
        vm.prank(STRANGER, STRANGER);
        vm.expectRevert(DepositFactory.NoDestination.selector);
        orphan.flush(_salts(1), new address[](0));
        bytes[2] memory calls = [
            abi.encodeCall(_factory.makePersistent, (_salts(1))),
            abi.encodeCall(_factory.setPersistentByDefault, (true))
        ];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(GUARDIAN);
            (bool ok,) = address(_factory).call(calls[i]);
            yes(!ok, "OPERATORS or OWNER only");
        }
    }

    function test_contractWalletsCanPay() public {
        TestContractWallet wallet = _wallet();
        address payable deposit = payable(_factory.addressOf(bytes32(uint256(1))));
        wallet.forward{value: 1 ether}(deposit);
        wallet.forwardWithStipend{value: 1 ether}(deposit);
        wallet.forwardBySelfdestruct{value: 1 ether}(deposit);
        wallet.forwardAndUndo{value: 1 ether}(deposit);
        eq(deposit.balance, 3 ether, "the undone one never came");
    }

    function _newRegistry() private returns (VaultRegistry) {
        return VaultRegistry(make("VaultRegistry.sol:VaultRegistry", abi.encode(address(this))));
    }

    function _newFactory(VaultRegistry registry) private returns (DepositFactory) {
        return DepositFactory(make("DepositFactory.sol:DepositFactory", abi.encode(registry)));
    }

    function _wallet() private returns (TestContractWallet) {
        return TestContractWallet(payable(make("TestContractWallet.sol:TestContractWallet", "")));
    }

    function _fund(uint256 salt, uint256 etherAmount, uint256 usdt, uint256 usdc) private returns (address deposit) {
        deposit = _factory.addressOf(bytes32(salt));
        vm.deal(deposit, deposit.balance + etherAmount);
        _usdt.transfer(deposit, usdt);
        _usdc.mint(deposit, usdc);
    }

    function _flush(bytes32[] memory salts, address[] memory tokens) private {
        vm.prank(STRANGER, STRANGER);
        _factory.flush(salts, tokens);
    }

    function _salts(uint256 count) private pure returns (bytes32[] memory salts) {
        salts = new bytes32[](count);
        for (uint256 i = 0; i < count; ++i) {
            salts[i] = bytes32(i + 1);
        }
    }

    function _tokens() private view returns (address[] memory) {
        return list(address(_usdt), address(_usdc));
    }
}

/// @notice Sweeps an address and pays it in the same transaction.
contract FlushThenPay {
    function run(DepositFactory factory, bytes32[] calldata salts, address payable deposit) external payable {
        factory.flush(salts, new address[](0));
        (bool ok,) = deposit.call{value: msg.value}("");
        require(ok, "paid");
    }
}
