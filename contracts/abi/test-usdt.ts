// TestUSDT, compiled from contracts/src. Written by contracts/generate-abi.ts; not edited by hand.

export const testUSDTAbi = [
  {
    "type": "function",
    "name": "addBlackList",
    "inputs": [
      {
        "name": "user",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
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
    "outputs": [],
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
    "name": "basisPointsRate",
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
    "name": "destroyBlackFunds",
    "inputs": [
      {
        "name": "user",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "isBlackListed",
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
    "name": "issue",
    "inputs": [
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
    "name": "maximumFee",
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
    "name": "removeBlackList",
    "inputs": [
      {
        "name": "user",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "setParams",
    "inputs": [
      {
        "name": "basisPoints",
        "type": "uint256",
        "internalType": "uint256"
      },
      {
        "name": "maxFee",
        "type": "uint256",
        "internalType": "uint256"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
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
    "outputs": [],
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
    "name": "AddedBlackList",
    "inputs": [
      {
        "name": "user",
        "type": "address",
        "indexed": false,
        "internalType": "address"
      }
    ],
    "anonymous": false
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
    "name": "DestroyedBlackFunds",
    "inputs": [
      {
        "name": "user",
        "type": "address",
        "indexed": false,
        "internalType": "address"
      },
      {
        "name": "balance",
        "type": "uint256",
        "indexed": false,
        "internalType": "uint256"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "Issue",
    "inputs": [
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
    "name": "Params",
    "inputs": [
      {
        "name": "feeBasisPoints",
        "type": "uint256",
        "indexed": false,
        "internalType": "uint256"
      },
      {
        "name": "maxFee",
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
    "name": "RemovedBlackList",
    "inputs": [
      {
        "name": "user",
        "type": "address",
        "indexed": false,
        "internalType": "address"
      }
    ],
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

export const testUSDTBytecode: `0x${string}` =
  '0x608080604052346026575f80546001600160a01b03191633179055610be6908161002b8239f35b5f80fdfe60806040526004361015610011575f80fd5b5f3560e01c806306fdde031461095d578063095ea7b31461089e5780630ecb93c0146107f057806318160ddd146107d357806323b872dd14610757578063313ce5671461073c578063353907141461071f5780633f4ba83a146106a65780635c975abb1461068257806370a082311461063d5780638456cb59146105ac5780638da5cb5b1461057a57806395d89b41146104e1578063a9059cbb146104b9578063c0324c77146103eb578063cc872b6614610364578063dd62ed3e146102f6578063dd644f72146102d9578063e47d60601461028f578063e4997dc5146101e45763f3bdc22814610100575f80fd5b346101e05760206003193601126101e057610119610a09565b73ffffffffffffffffffffffffffffffffffffffff5f541633036101b85773ffffffffffffffffffffffffffffffffffffffff16805f52600660205260ff60405f205416156101b8575f8181526004602052604080822080549290556001547f61e6e66b0d6339b2980aecc6ccc0039736791f0ccde9ed512e789a7fbdd698c6939192906101a8908290610a4f565b60015582519182526020820152a1005b7f8ac5ff0b000000000000000000000000000000000000000000000000000000005f5260045ffd5b5f80fd5b346101e05760206003193601126101e0576101fd610a09565b73ffffffffffffffffffffffffffffffffffffffff5f541633036101b857602073ffffffffffffffffffffffffffffffffffffffff7fd7e9ec6e6ecd65492dce6bf513cd6867560d49544421d0783ddf06e76c24470c9216805f526006825260405f207fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff008154169055604051908152a1005b346101e05760206003193601126101e05773ffffffffffffffffffffffffffffffffffffffff6102bd610a09565b165f526006602052602060ff60405f2054166040519015158152f35b346101e0575f6003193601126101e0576020600254604051908152f35b346101e05760406003193601126101e05761030f610a09565b73ffffffffffffffffffffffffffffffffffffffff61032c610a2c565b91165f52600560205273ffffffffffffffffffffffffffffffffffffffff60405f2091165f52602052602060405f2054604051908152f35b346101e05760206003193601126101e05760043573ffffffffffffffffffffffffffffffffffffffff5f54168033036101b8577fcb8241adb0c3fdb35b70c24ce35c5eb0c17af7431c99f827d44a445ca624176a916020915f526004825260405f206103d1828254610a5c565b90556103df81600154610a5c565b600155604051908152a1005b346101e05760406003193601126101e05760043560243573ffffffffffffffffffffffffffffffffffffffff5f541633036101b857601482108015906104ae575b6101b85781600255620f4240810290808204620f42401490151715610481577fb044a1e409eac5c48e5af22d4af52670dd1a99059537a78b31b48c6500a6354e918160409260035582519182526020820152a1005b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b50603281101561042c565b346101e05760406003193601126101e0576104df6104d5610a09565b6024359033610a69565b005b346101e0575f6003193601126101e057604051604081019080821067ffffffffffffffff83111761054d5761054991604052600481527f55534454000000000000000000000000000000000000000000000000000000006020820152604051918291826109c1565b0390f35b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b346101e0575f6003193601126101e057602073ffffffffffffffffffffffffffffffffffffffff5f5416604051908152f35b346101e0575f6003193601126101e0575f5473ffffffffffffffffffffffffffffffffffffffff811633036101b8577fffffffffffffffffffffff00ffffffffffffffffffffffffffffffffffffffff740100000000000000000000000000000000000000009116175f557f6985a02210a168e66602d3235cb6db0e70f92b3ba4d376a33c0f3d9434bff6255f80a1005b346101e05760206003193601126101e05773ffffffffffffffffffffffffffffffffffffffff61066b610a09565b165f526004602052602060405f2054604051908152f35b346101e0575f6003193601126101e057602060ff5f5460a01c166040519015158152f35b346101e0575f6003193601126101e0575f5473ffffffffffffffffffffffffffffffffffffffff811633036101b8577fffffffffffffffffffffff00ffffffffffffffffffffffffffffffffffffffff165f557f7805862f689e2f13df9f062ff482ad3ad112aca9e0847911ed832e158c525b335f80a1005b346101e0575f6003193601126101e0576020600354604051908152f35b346101e0575f6003193601126101e057602060405160068152f35b346101e05760606003193601126101e0576104df610773610a09565b61077b610a2c565b6044359173ffffffffffffffffffffffffffffffffffffffff81165f52600560205260405f2073ffffffffffffffffffffffffffffffffffffffff33165f5260205260405f206107cc848254610a4f565b9055610a69565b346101e0575f6003193601126101e0576020600154604051908152f35b346101e05760206003193601126101e057610809610a09565b73ffffffffffffffffffffffffffffffffffffffff5f541633036101b857602073ffffffffffffffffffffffffffffffffffffffff7f42e160154868087d6bfdc0ca23d96a1c1cfa32f1b72ba9ba27b69b98a0d819dc9216805f526006825260405f2060017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00825416179055604051908152a1005b346101e05760406003193601126101e0576108b7610a09565b6024359081151580610928575b6101b85773ffffffffffffffffffffffffffffffffffffffff90335f52600560205260405f208282165f526020528260405f205560405192835216907f8c5be1e5ebec7d5bd14f71427d1e84f3dd0314c0f7b2291e5b200ac8c7c3b92560203392a3005b50335f52600560205260405f2073ffffffffffffffffffffffffffffffffffffffff82165f5260205260405f205415156108c4565b346101e0575f6003193601126101e057604051604081019080821067ffffffffffffffff83111761054d5761054991604052600f81527f54657374205465746865722055534400000000000000000000000000000000006020820152604051918291825b7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f602060409481855280519182918282880152018686015e5f8582860101520116010190565b6004359073ffffffffffffffffffffffffffffffffffffffff821682036101e057565b6024359073ffffffffffffffffffffffffffffffffffffffff821682036101e057565b9190820391821161048157565b9190820180921161048157565b91909160ff5f5460a01c168015610bba575b6101b8576002549081830291838304148315171561048157610b3f6020916127107fddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef940490600354808311610b9e575b5073ffffffffffffffffffffffffffffffffffffffff1694855f526004845260405f20610af9828254610a4f565b905573ffffffffffffffffffffffffffffffffffffffff610b1a8383610a4f565b971696875f5260048552610b3360405f20918254610a5c565b905581610b4857610a4f565b604051908152a3565b73ffffffffffffffffffffffffffffffffffffffff5f54165f526004845260405f20610b75838254610a5c565b905573ffffffffffffffffffffffffffffffffffffffff5f5416868686604051868152a3610a4f565b915073ffffffffffffffffffffffffffffffffffffffff610acb565b5073ffffffffffffffffffffffffffffffffffffffff81165f52600660205260ff60405f205416610a7b56';
