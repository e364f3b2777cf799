// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title A token with USDT's habits, for tests and local systems only
/// @notice No return values, a fee that can be switched on, a pause, a list of blocked senders, and balances
/// that change without a Transfer event.
contract TestUSDT {
    string public constant name = "Test Tether USD";
    string public constant symbol = "USDT";
    uint8 public constant decimals = 6;
    uint256 private constant BASIS_POINTS = 10_000;
    /// As the original has them: the fee stays below 20 basis points and below 50 whole units.
    uint256 private constant RATE_LIMIT = 20;
    uint256 private constant MAX_FEE_LIMIT = 50;

    address public owner = msg.sender;
    bool public paused;
    uint256 public totalSupply;
    uint256 public basisPointsRate;
    uint256 public maximumFee;
    mapping(address holder => uint256) public balanceOf;
    mapping(address holder => mapping(address spender => uint256)) public allowance;
    mapping(address holder => bool) public isBlackListed;

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event Issue(uint256 amount);
    event Params(uint256 feeBasisPoints, uint256 maxFee);
    event AddedBlackList(address user);
    event RemovedBlackList(address user);
    event DestroyedBlackFunds(address user, uint256 balance);
    event Pause();
    event Unpause();

    error Refused();

    modifier onlyOwner() {
        if (msg.sender != owner) revert Refused();
        _;
    }

    /// @dev Returns nothing, like the original.
    function transfer(address to, uint256 value) external {
        _move(msg.sender, to, value);
    }

    function transferFrom(address from, address to, uint256 value) external {
        allowance[from][msg.sender] -= value;
        _move(from, to, value);
    }

    /// @dev A standing allowance must be set to zero first.
    function approve(address spender, uint256 value) external {
        if (value != 0 && allowance[msg.sender][spender] != 0) revert Refused();
        allowance[msg.sender][spender] = value;
        emit Approval(msg.sender, spender, value);
    }

    /// @dev No Transfer event.
    function issue(uint256 amount) external onlyOwner {
        balanceOf[owner] += amount;
        totalSupply += amount;
        emit Issue(amount);
    }

    function setParams(uint256 basisPoints, uint256 maxFee) external onlyOwner {
        if (basisPoints >= RATE_LIMIT || maxFee >= MAX_FEE_LIMIT) revert Refused();
        basisPointsRate = basisPoints;
        maximumFee = maxFee * 10 ** decimals;
        emit Params(basisPointsRate, maximumFee);
    }

    function pause() external onlyOwner {
        paused = true;
        emit Pause();
    }

    function unpause() external onlyOwner {
        paused = false;
        emit Unpause();
    }

    function addBlackList(address user) external onlyOwner {
        isBlackListed[user] = true;
        emit AddedBlackList(user);
    }

    function removeBlackList(address user) external onlyOwner {
        isBlackListed[user] = false;
        emit RemovedBlackList(user);
    }

    /// @dev No Transfer event.
    function destroyBlackFunds(address user) external onlyOwner {
        if (!isBlackListed[user]) revert Refused();
        uint256 balance = balanceOf[user];
        balanceOf[user] = 0;
        totalSupply -= balance;
        emit DestroyedBlackFunds(user, balance);
    }

    /// A blocked sender is refused, a blocked recipient is not. With a fee there are two Transfer events.
    function _move(address from, address to, uint256 value) private {
        if (paused || isBlackListed[from]) revert Refused();
        uint256 fee = (value * basisPointsRate) / BASIS_POINTS;
        if (fee > maximumFee) fee = maximumFee;
        balanceOf[from] -= value;
        balanceOf[to] += value - fee;
        if (fee != 0) {
            balanceOf[owner] += fee;
            emit Transfer(from, owner, fee);
        }
        emit Transfer(from, to, value - fee);
    }
}
