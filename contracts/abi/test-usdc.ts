// TestUSDC, compiled from contracts/src. Written by contracts/generate-abi.ts; not edited by hand.

export const testUSDCAbi = [
  {
    "type": "function",
    "name": "allowance",
    "inputs": [
      {
        "name": "holder",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "spender",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [
      {
        "name": "",
        "type": "uint256",
        "internalType": "uint256"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "approve",
    "inputs": [
      {
        "name": "spender",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "value",
        "type": "uint256",
        "internalType": "uint256"
      }
    ],
    "outputs": [
      {
        "name": "",
        "type": "bool",
        "internalType": "bool"
      }
    ],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "balanceOf",
    "inputs": [
      {
        "name": "holder",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [
      {
        "name": "",
        "type": "uint256",
        "internalType": "uint256"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "blacklist",
    "inputs": [
      {
        "name": "account",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "decimals",
    "inputs": [],
    "outputs": [
      {
        "name": "",
        "type": "uint8",
        "internalType": "uint8"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "initialize",
    "inputs": [
      {
        "name": "owner_",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "isBlacklisted",
    "inputs": [
      {
        "name": "holder",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [
      {
        "name": "",
        "type": "bool",
        "internalType": "bool"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "mint",
    "inputs": [
      {
        "name": "to",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "amount",
        "type": "uint256",
        "internalType": "uint256"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "name",
    "inputs": [],
    "outputs": [
      {
        "name": "",
        "type": "string",
        "internalType": "string"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "owner",
    "inputs": [],
    "outputs": [
      {
        "name": "",
        "type": "address",
        "internalType": "address"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "pause",
    "inputs": [],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "paused",
    "inputs": [],
    "outputs": [
      {
        "name": "",
        "type": "bool",
        "internalType": "bool"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "symbol",
    "inputs": [],
    "outputs": [
      {
        "name": "",
        "type": "string",
        "internalType": "string"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "totalSupply",
    "inputs": [],
    "outputs": [
      {
        "name": "",
        "type": "uint256",
        "internalType": "uint256"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "transfer",
    "inputs": [
      {
        "name": "to",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "value",
        "type": "uint256",
        "internalType": "uint256"
      }
    ],
    "outputs": [
      {
        "name": "",
        "type": "bool",
        "internalType": "bool"
      }
    ],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "transferFrom",
    "inputs": [
      {
        "name": "from",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "to",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "value",
        "type": "uint256",
        "internalType": "uint256"
      }
    ],
    "outputs": [
      {
        "name": "",
        "type": "bool",
        "internalType": "bool"
      }
    ],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "unBlacklist",
    "inputs": [
      {
        "name": "account",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "unpause",
    "inputs": [],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "event",
    "name": "Approval",
    "inputs": [
      {
        "name": "owner",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      },
      {
        "name": "spender",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      },
      {
        "name": "value",
        "type": "uint256",
        "indexed": false,
        "internalType": "uint256"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "Blacklisted",
    "inputs": [
      {
        "name": "account",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "Mint",
    "inputs": [
      {
        "name": "minter",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      },
      {
        "name": "to",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      },
      {
        "name": "amount",
        "type": "uint256",
        "indexed": false,
        "internalType": "uint256"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "Pause",
    "inputs": [],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "Transfer",
    "inputs": [
      {
        "name": "from",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      },
      {
        "name": "to",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      },
      {
        "name": "value",
        "type": "uint256",
        "indexed": false,
        "internalType": "uint256"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "UnBlacklisted",
    "inputs": [
      {
        "name": "account",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "Unpause",
    "inputs": [],
    "anonymous": false
  },
  {
    "type": "error",
    "name": "Refused",
    "inputs": []
  }
] as const;

export const testUSDCBytecode: `0x${string}` =
  '0x60808060405234601557610b9f908161001a8239f35b5f80fdfe60806040526004361015610011575f80fd5b5f3560e01c806306fdde0314610a66578063095ea7b3146109b757806318160ddd1461099a5780631a895266146108f557806323b872dd14610762578063313ce567146107475780633f4ba83a146106ce57806340c10f19146105bd5780635c975abb1461059957806370a08231146105545780638456cb59146104c35780638da5cb5b1461049157806395d89b41146103f8578063a9059cbb146102e3578063c4d66de81461026b578063dd62ed3e146101fd578063f9f92be41461012d5763fe575a87146100df575f80fd5b346101295760206003193601126101295773ffffffffffffffffffffffffffffffffffffffff61010d610b12565b165f526004602052602060ff60405f2054166040519015158152f35b5f80fd5b3461012957602060031936011261012957610146610b12565b73ffffffffffffffffffffffffffffffffffffffff5f541633036101d55773ffffffffffffffffffffffffffffffffffffffff16805f52600460205260405f2060017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff008254161790557fffa4e6181777692565cf28528fc88fd1516ea86b56da075235fa575af6a4b8555f80a2005b7f8ac5ff0b000000000000000000000000000000000000000000000000000000005f5260045ffd5b3461012957604060031936011261012957610216610b12565b73ffffffffffffffffffffffffffffffffffffffff610233610b35565b91165f52600360205273ffffffffffffffffffffffffffffffffffffffff60405f2091165f52602052602060405f2054604051908152f35b3461012957602060031936011261012957610284610b12565b5f549073ffffffffffffffffffffffffffffffffffffffff82166101d55773ffffffffffffffffffffffffffffffffffffffff7fffffffffffffffffffffffff000000000000000000000000000000000000000091169116175f555f80f35b34610129576040600319360112610129576102fc610b12565b6024359060ff5f5460a01c1680811591826103e2575b6101d557906103b6575b6101d55773ffffffffffffffffffffffffffffffffffffffff1690811580156103ad575b6101d557335f52600260205260405f2061035b828254610b58565b9055815f52600260205260405f20610374828254610b92565b90556040519081527fddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef60203392a3602060405160018152f35b50308214610340565b5073ffffffffffffffffffffffffffffffffffffffff81165f52600460205260ff60405f20541661031c565b50335f52600460205260ff60405f205416610312565b34610129575f60031936011261012957604051604081019080821067ffffffffffffffff8311176104645761046091604052600481527f5553444300000000000000000000000000000000000000000000000000000000602082015260405191829182610aca565b0390f35b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b34610129575f60031936011261012957602073ffffffffffffffffffffffffffffffffffffffff5f5416604051908152f35b34610129575f600319360112610129575f5473ffffffffffffffffffffffffffffffffffffffff811633036101d5577fffffffffffffffffffffff00ffffffffffffffffffffffffffffffffffffffff740100000000000000000000000000000000000000009116175f557f6985a02210a168e66602d3235cb6db0e70f92b3ba4d376a33c0f3d9434bff6255f80a1005b346101295760206003193601126101295773ffffffffffffffffffffffffffffffffffffffff610582610b12565b165f526002602052602060405f2054604051908152f35b34610129575f60031936011261012957602060ff5f5460a01c166040519015158152f35b34610129576040600319360112610129576105d6610b12565b602435905f5473ffffffffffffffffffffffffffffffffffffffff811633036101d55760a01c60ff1680156106a2575b6101d5577fddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef602073ffffffffffffffffffffffffffffffffffffffff5f9361065086600154610b92565b6001551693848452600282526040842061066b828254610b92565b9055846040518281527fab8530f87dc9b59234c4623bf917212bb2536d647574c8e7e5da92c2ede0c9f8843392a3604051908152a3005b5073ffffffffffffffffffffffffffffffffffffffff81165f52600460205260ff60405f205416610606565b34610129575f600319360112610129575f5473ffffffffffffffffffffffffffffffffffffffff811633036101d5577fffffffffffffffffffffff00ffffffffffffffffffffffffffffffffffffffff165f557f7805862f689e2f13df9f062ff482ad3ad112aca9e0847911ed832e158c525b335f80a1005b34610129575f60031936011261012957602060405160068152f35b346101295760606003193601126101295761077b610b12565b610783610b35565b6044359160ff5f5460a01c1680156108df575b6101d55773ffffffffffffffffffffffffffffffffffffffff1690815f52600360205260405f2073ffffffffffffffffffffffffffffffffffffffff33165f5260205260405f206107e8848254610b58565b905560ff5f5460a01c1680811591826108c9575b6101d5579061089d575b6101d55773ffffffffffffffffffffffffffffffffffffffff169182158015610894575b6101d55760207fddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef91835f526002825260405f20610868828254610b58565b9055845f526002825260405f20610880828254610b92565b9055604051908152a3602060405160018152f35b5030831461082a565b5073ffffffffffffffffffffffffffffffffffffffff81165f52600460205260ff60405f205416610806565b50835f52600460205260ff60405f2054166107fc565b50335f52600460205260ff60405f205416610796565b346101295760206003193601126101295761090e610b12565b73ffffffffffffffffffffffffffffffffffffffff5f541633036101d55773ffffffffffffffffffffffffffffffffffffffff16805f52600460205260405f207fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0081541690557f117e3210bb9aa7d9baff172026820255c6f6c30ba8999d1c2fd88e2848137c4e5f80a2005b34610129575f600319360112610129576020600154604051908152f35b34610129576040600319360112610129576109d0610b12565b6024359060ff5f5460a01c168015610a50575b6101d55773ffffffffffffffffffffffffffffffffffffffff90335f52600360205260405f208282165f526020528260405f205560405192835216907f8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b92560203392a3602060405160018152f35b50335f52600460205260ff60405f2054166109e3565b34610129575f60031936011261012957604051604081019080821067ffffffffffffffff8311176104645761046091604052600d81527f546573742055534420436f696e000000000000000000000000000000000000006020820152604051918291825b7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f602060409481855280519182918282880152018686015e5f8582860101520116010190565b6004359073ffffffffffffffffffffffffffffffffffffffff8216820361012957565b6024359073ffffffffffffffffffffffffffffffffffffffff8216820361012957565b91908203918211610b6557565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b91908201809211610b655756';
