// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";

/// @title A token with USDC's habits, for tests and local systems only
/// @notice Behind a proxy that its admin can upgrade; a pause, a list that blocks senders and recipients, and
/// no transfer to the token itself. This is the code behind the proxy.
contract TestUSDC {
    string public constant name = "Test USD Coin";
    string public constant symbol = "USDC";
    uint8 public constant decimals = 6;

    address public owner;
    bool public paused;
    uint256 public totalSupply;
    mapping(address holder => uint256) public balanceOf;
    mapping(address holder => mapping(address spender => uint256)) public allowance;
    mapping(address holder => bool) public isBlacklisted;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event Mint(address indexed minter, address indexed to, uint256 amount);
    event Blacklisted(address indexed account);
    event UnBlacklisted(address indexed account);
    event Pause();
    event Unpause();

    error Refused();

    modifier onlyOwner() {
        if (msg.sender != owner) revert Refused();
        _;
    }

    modifier allowed(address account) {
        if (paused || isBlacklisted[account]) revert Refused();
        _;
    }

    function initialize(address owner_) external {
        if (owner != address(0)) revert Refused();
        owner = owner_;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        _move(msg.sender, to, value);
        return true;
    }

    function transferFrom(address from, address to, uint256 value) external allowed(msg.sender) returns (bool) {
        allowance[from][msg.sender] -= value;
        _move(from, to, value);
        return true;
    }

    function approve(address spender, uint256 value) external allowed(msg.sender) returns (bool) {
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
        return true;
    }

    function mint(address to, uint256 amount) external onlyOwner allowed(to) {
        totalSupply += amount;
        balanceOf[to] += amount;
        emit Mint(msg.sender, to, amount);
        emit Transfer(address(0), to, amount);
    }

    function pause() external onlyOwner {
        paused = true;
        emit Pause();
    }

    function unpause() external onlyOwner {
        paused = false;
        emit Unpause();
    }

    function blacklist(address account) external onlyOwner {
        isBlacklisted[account] = true;
        emit Blacklisted(account);
    }

    function unBlacklist(address account) external onlyOwner {
        isBlacklisted[account] = false;
        emit UnBlacklisted(account);
    }

    function _move(address from, address to, uint256 value) private allowed(from) allowed(to) {
        if (to == address(0) || to == address(this)) revert Refused();
        balanceOf[from] -= value;
        balanceOf[to] += value;
        emit Transfer(from, to, value);
    }
}

/// @title The proxy in front of TestUSDC: the address that the world calls USDC
/// @notice Its admin only changes the code (emitting Upgraded); everybody else reaches the token.
contract TestUSDCProxy is ERC1967Proxy {
    error Refused();

    constructor(address implementation, address admin, address owner)
        ERC1967Proxy(implementation, abi.encodeCall(TestUSDC.initialize, (owner)))
    {
        ERC1967Utils.changeAdmin(admin);
    }

    receive() external payable {
        revert Refused();
    }

    function upgradeTo(address implementation) external {
        if (msg.sender != ERC1967Utils.getAdmin()) revert Refused();
        ERC1967Utils.upgradeToAndCall(implementation, "");
    }
}
