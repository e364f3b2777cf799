// TestUSDCProxy, compiled from contracts/src. Written by contracts/generate-abi.ts; not edited by hand.

export const testUSDCProxyAbi = [
  {
    "type": "constructor",
    "inputs": [
      {
        "name": "implementation",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "admin",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "owner",
        "type": "address",
        "internalType": "address"
      }
    ],
    "stateMutability": "nonpayable"
  },
  {
    "type": "fallback",
    "stateMutability": "payable"
  },
  {
    "type": "receive",
    "stateMutability": "payable"
  },
  {
    "type": "function",
    "name": "upgradeTo",
    "inputs": [
      {
        "name": "implementation",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "event",
    "name": "AdminChanged",
    "inputs": [
      {
        "name": "previousAdmin",
        "type": "address",
        "indexed": false,
        "internalType": "address"
      },
      {
        "name": "newAdmin",
        "type": "address",
        "indexed": false,
        "internalType": "address"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "Upgraded",
    "inputs": [
      {
        "name": "implementation",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      }
    ],
    "anonymous": false
  },
  {
    "type": "error",
    "name": "AddressEmptyCode",
    "inputs": [
      {
        "name": "target",
        "type": "address",
        "internalType": "address"
      }
    ]
  },
  {
    "type": "error",
    "name": "ERC1967InvalidAdmin",
    "inputs": [
      {
        "name": "admin",
        "type": "address",
        "internalType": "address"
      }
    ]
  },
  {
    "type": "error",
    "name": "ERC1967InvalidImplementation",
    "inputs": [
      {
        "name": "implementation",
        "type": "address",
        "internalType": "address"
      }
    ]
  },
  {
    "type": "error",
    "name": "ERC1967NonPayable",
    "inputs": []
  },
  {
    "type": "error",
    "name": "ERC1967ProxyUninitialized",
    "inputs": []
  },
  {
    "type": "error",
    "name": "FailedCall",
    "inputs": []
  },
  {
    "type": "error",
    "name": "Refused",
    "inputs": []
  }
] as const;

export const testUSDCProxyBytecode: `0x${string}` =
  '0x608080604052346101cc575f60608261065c803803809161002082856101d0565b8339810103126101cc5761003382610207565b61004b604061004460208601610207565b9401610207565b60405163189acdbd60e31b60208201526001600160a01b03909116602480830191909152815261007c6044826101d0565b8051156101bd57813b1561019c577f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc80546001600160a01b0319166001600160a01b0384169081179091557fbc7cd75a20ee27fd9adebab32041f755214dbc6bffa90cc0225b39da2e5c2d3b5f80a2805115610193576100fb9161021b565b505b5f51602061063c5f395f51905f5254604080516001600160a01b03808416825290941660208501819052939192917f7e644d79422f17c01e4894b5f4f588d331ebfa28653d42ae832dc59e38c9798f9190a1821561017f57506001600160a01b031916175f51602061063c5f395f51905f525560405161039490816102a88239f35b633173bdd160e11b81526004819052602490fd5b5050505f6100fd565b50634c9c8ce360e01b5f9081526001600160a01b0391909116600452602490fd5b6330a289cf60e21b5f5260045ffd5b5f80fd5b601f909101601f19168101906001600160401b038211908210176101f357604052565b634e487b7160e01b5f52604160045260245ffd5b51906001600160a01b03821682036101cc57565b905f8091602081519101845af48080610294575b1561024f5750506040513d81523d5f602083013e60203d82010160405290565b1561027457639996b31560e01b5f9081526001600160a01b0391909116600452602490fd5b3d15610285576040513d5f823e3d90fd5b63d6bda27560e01b5f5260045ffd5b503d15158061022f5750813b151561022f56fe60806040526004361015610018575b3661026f576100e5565b5f3560e01c633659cfe60361000e573461010d5760207ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffc36011261010d5760043573ffffffffffffffffffffffffffffffffffffffff8116810361010d5773ffffffffffffffffffffffffffffffffffffffff7fb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103541633036100e557604051602081019181831067ffffffffffffffff8411176100e0576100de926040525f825261013e565b005b610111565b7f8ac5ff0b000000000000000000000000000000000000000000000000000000005f5260045ffd5b5f80fd5b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b90813b1561022d5773ffffffffffffffffffffffffffffffffffffffff8216807fffffffffffffffffffffffff00000000000000000000000000000000000000007f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc5416177f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc557fbc7cd75a20ee27fd9adebab32041f755214dbc6bffa90cc0225b39da2e5c2d3b5f80a28051156101fc576101f9916102c3565b50565b50503461020557565b7fb398979f000000000000000000000000000000000000000000000000000000005f5260045ffd5b73ffffffffffffffffffffffffffffffffffffffff827f4c9c8ce3000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b5f8073ffffffffffffffffffffffffffffffffffffffff7f360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc5416368280378136915af43d5f803e156102bf573d5ff35b3d5ffd5b905f8091602081519101845af48080610368575b156102e95750506102e661037b565b90565b1561032f577f9996b315000000000000000000000000000000000000000000000000000000005f5273ffffffffffffffffffffffffffffffffffffffff1660045260245ffd5b3d15610340576040513d5f823e3d90fd5b7fd6bda275000000000000000000000000000000000000000000000000000000005f5260045ffd5b503d1515806102d75750813b15156102d7565b604051903d82523d5f602084013e60203d83010160405256b53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103';
