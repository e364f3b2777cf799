// HotVault, compiled from contracts/src. Written by contracts/generate-abi.ts; not edited by hand.

export const hotVaultAbi = [
  {
    "type": "constructor",
    "inputs": [
      {
        "name": "setup",
        "type": "tuple",
        "internalType": "struct VaultRoles.Setup",
        "components": [
          {
            "name": "cold",
            "type": "address",
            "internalType": "address"
          },
          {
            "name": "owner",
            "type": "address",
            "internalType": "address"
          },
          {
            "name": "operators",
            "type": "address",
            "internalType": "address"
          },
          {
            "name": "threshold",
            "type": "uint256",
            "internalType": "uint256"
          },
          {
            "name": "signers",
            "type": "address[]",
            "internalType": "address[]"
          },
          {
            "name": "guardians",
            "type": "address[]",
            "internalType": "address[]"
          },
          {
            "name": "caps",
            "type": "tuple[]",
            "internalType": "struct VaultRoles.AssetCap[]",
            "components": [
              {
                "name": "token",
                "type": "address",
                "internalType": "address"
              },
              {
                "name": "cap",
                "type": "uint96",
                "internalType": "uint96"
              }
            ]
          }
        ]
      }
    ],
    "stateMutability": "nonpayable"
  },
  {
    "type": "receive",
    "stateMutability": "payable"
  },
  {
    "type": "function",
    "name": "COLD",
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
    "name": "PAYMENTS_MAX",
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
    "name": "PAY_TYPEHASH",
    "inputs": [],
    "outputs": [
      {
        "name": "",
        "type": "bytes32",
        "internalType": "bytes32"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "THRESHOLD_MIN",
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
    "name": "addGuardian",
    "inputs": [
      {
        "name": "guardian",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "addSigner",
    "inputs": [
      {
        "name": "signer",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "approveCap",
    "inputs": [
      {
        "name": "token",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "cap",
        "type": "uint96",
        "internalType": "uint96"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "capApproved",
    "inputs": [
      {
        "name": "token",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [
      {
        "name": "",
        "type": "uint96",
        "internalType": "uint96"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "digest",
    "inputs": [
      {
        "name": "token",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "deadline",
        "type": "uint64",
        "internalType": "uint64"
      },
      {
        "name": "ids",
        "type": "uint64[]",
        "internalType": "uint64[]"
      },
      {
        "name": "items",
        "type": "bytes32[]",
        "internalType": "bytes32[]"
      }
    ],
    "outputs": [
      {
        "name": "",
        "type": "bytes32",
        "internalType": "bytes32"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "eip712Domain",
    "inputs": [],
    "outputs": [
      {
        "name": "fields",
        "type": "bytes1",
        "internalType": "bytes1"
      },
      {
        "name": "name",
        "type": "string",
        "internalType": "string"
      },
      {
        "name": "version",
        "type": "string",
        "internalType": "string"
      },
      {
        "name": "chainId",
        "type": "uint256",
        "internalType": "uint256"
      },
      {
        "name": "verifyingContract",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "salt",
        "type": "bytes32",
        "internalType": "bytes32"
      },
      {
        "name": "extensions",
        "type": "uint256[]",
        "internalType": "uint256[]"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "evacuate",
    "inputs": [
      {
        "name": "tokens",
        "type": "address[]",
        "internalType": "address[]"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "gasCaps",
    "inputs": [],
    "outputs": [
      {
        "name": "ether_",
        "type": "uint32",
        "internalType": "uint32"
      },
      {
        "name": "token",
        "type": "uint32",
        "internalType": "uint32"
      },
      {
        "name": "overhead",
        "type": "uint32",
        "internalType": "uint32"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "generation",
    "inputs": [],
    "outputs": [
      {
        "name": "",
        "type": "uint64",
        "internalType": "uint64"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "guardians",
    "inputs": [],
    "outputs": [
      {
        "name": "",
        "type": "address[]",
        "internalType": "address[]"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "isGuardian",
    "inputs": [
      {
        "name": "who",
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
    "name": "isSigner",
    "inputs": [
      {
        "name": "who",
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
    "name": "isUsed",
    "inputs": [
      {
        "name": "id",
        "type": "uint64",
        "internalType": "uint64"
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
    "name": "limitOf",
    "inputs": [
      {
        "name": "token",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [
      {
        "name": "cap",
        "type": "uint256",
        "internalType": "uint256"
      },
      {
        "name": "spent",
        "type": "uint256",
        "internalType": "uint256"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "lowerCap",
    "inputs": [
      {
        "name": "token",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "cap",
        "type": "uint96",
        "internalType": "uint96"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "operators",
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
    "name": "pay",
    "inputs": [
      {
        "name": "token",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "deadline",
        "type": "uint64",
        "internalType": "uint64"
      },
      {
        "name": "ids",
        "type": "uint64[]",
        "internalType": "uint64[]"
      },
      {
        "name": "items",
        "type": "bytes32[]",
        "internalType": "bytes32[]"
      },
      {
        "name": "signatures",
        "type": "bytes",
        "internalType": "bytes"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "removeGuardian",
    "inputs": [
      {
        "name": "guardian",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "removeSigner",
    "inputs": [
      {
        "name": "signer",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "restoreCap",
    "inputs": [
      {
        "name": "token",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "cap",
        "type": "uint96",
        "internalType": "uint96"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "setGasCaps",
    "inputs": [
      {
        "name": "caps",
        "type": "tuple",
        "internalType": "struct VaultRoles.GasCaps",
        "components": [
          {
            "name": "ether_",
            "type": "uint32",
            "internalType": "uint32"
          },
          {
            "name": "token",
            "type": "uint32",
            "internalType": "uint32"
          },
          {
            "name": "overhead",
            "type": "uint32",
            "internalType": "uint32"
          }
        ]
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "setOperators",
    "inputs": [
      {
        "name": "to",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "setOwner",
    "inputs": [
      {
        "name": "to",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "setThreshold",
    "inputs": [
      {
        "name": "to",
        "type": "uint256",
        "internalType": "uint256"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "signers",
    "inputs": [],
    "outputs": [
      {
        "name": "",
        "type": "address[]",
        "internalType": "address[]"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "threshold",
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
    "name": "unpause",
    "inputs": [],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "event",
    "name": "CapChanged",
    "inputs": [
      {
        "name": "token",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      },
      {
        "name": "cap",
        "type": "uint96",
        "indexed": false,
        "internalType": "uint96"
      },
      {
        "name": "by",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "EIP712DomainChanged",
    "inputs": [],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "EvacuateFailed",
    "inputs": [
      {
        "name": "token",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "Evacuated",
    "inputs": [
      {
        "name": "token",
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
    "name": "GasCapsChanged",
    "inputs": [
      {
        "name": "ether_",
        "type": "uint32",
        "indexed": false,
        "internalType": "uint32"
      },
      {
        "name": "token",
        "type": "uint32",
        "indexed": false,
        "internalType": "uint32"
      },
      {
        "name": "overhead",
        "type": "uint32",
        "indexed": false,
        "internalType": "uint32"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "GenerationRaised",
    "inputs": [
      {
        "name": "generation",
        "type": "uint64",
        "indexed": false,
        "internalType": "uint64"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "GuardianAdded",
    "inputs": [
      {
        "name": "guardian",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "GuardianRemoved",
    "inputs": [
      {
        "name": "guardian",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "OperatorsChanged",
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
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "OwnerChanged",
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
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "Paid",
    "inputs": [
      {
        "name": "id",
        "type": "uint64",
        "indexed": true,
        "internalType": "uint64"
      },
      {
        "name": "token",
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
    "name": "Paused",
    "inputs": [
      {
        "name": "by",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "PayFailed",
    "inputs": [
      {
        "name": "id",
        "type": "uint64",
        "indexed": true,
        "internalType": "uint64"
      },
      {
        "name": "token",
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
    "name": "SignerAdded",
    "inputs": [
      {
        "name": "signer",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "SignerRemoved",
    "inputs": [
      {
        "name": "signer",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "ThresholdChanged",
    "inputs": [
      {
        "name": "threshold",
        "type": "uint256",
        "indexed": false,
        "internalType": "uint256"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "Unpaused",
    "inputs": [
      {
        "name": "generation",
        "type": "uint64",
        "indexed": false,
        "internalType": "uint64"
      }
    ],
    "anonymous": false
  },
  {
    "type": "error",
    "name": "AddressInvalid",
    "inputs": []
  },
  {
    "type": "error",
    "name": "BalanceTooLow",
    "inputs": [
      {
        "name": "balance",
        "type": "uint256",
        "internalType": "uint256"
      },
      {
        "name": "total",
        "type": "uint256",
        "internalType": "uint256"
      }
    ]
  },
  {
    "type": "error",
    "name": "BatchSizeInvalid",
    "inputs": []
  },
  {
    "type": "error",
    "name": "CapInvalid",
    "inputs": []
  },
  {
    "type": "error",
    "name": "DeadlinePassed",
    "inputs": [
      {
        "name": "deadline",
        "type": "uint256",
        "internalType": "uint256"
      }
    ]
  },
  {
    "type": "error",
    "name": "GasCapsInvalid",
    "inputs": []
  },
  {
    "type": "error",
    "name": "GasTooLow",
    "inputs": []
  },
  {
    "type": "error",
    "name": "IdUsed",
    "inputs": [
      {
        "name": "id",
        "type": "uint256",
        "internalType": "uint256"
      }
    ]
  },
  {
    "type": "error",
    "name": "IdsNotAscending",
    "inputs": [
      {
        "name": "id",
        "type": "uint256",
        "internalType": "uint256"
      }
    ]
  },
  {
    "type": "error",
    "name": "InvalidShortString",
    "inputs": []
  },
  {
    "type": "error",
    "name": "IsPaused",
    "inputs": []
  },
  {
    "type": "error",
    "name": "MemberInvalid",
    "inputs": [
      {
        "name": "member",
        "type": "address",
        "internalType": "address"
      }
    ]
  },
  {
    "type": "error",
    "name": "NotAllowed",
    "inputs": [
      {
        "name": "caller",
        "type": "address",
        "internalType": "address"
      }
    ]
  },
  {
    "type": "error",
    "name": "NotPaused",
    "inputs": []
  },
  {
    "type": "error",
    "name": "OverCap",
    "inputs": [
      {
        "name": "spent",
        "type": "uint256",
        "internalType": "uint256"
      },
      {
        "name": "amount",
        "type": "uint256",
        "internalType": "uint256"
      },
      {
        "name": "cap",
        "type": "uint256",
        "internalType": "uint256"
      }
    ]
  },
  {
    "type": "error",
    "name": "ReentrancyGuardReentrantCall",
    "inputs": []
  },
  {
    "type": "error",
    "name": "SignaturesInvalid",
    "inputs": []
  },
  {
    "type": "error",
    "name": "StringTooLong",
    "inputs": [
      {
        "name": "str",
        "type": "string",
        "internalType": "string"
      }
    ]
  },
  {
    "type": "error",
    "name": "ThresholdInvalid",
    "inputs": []
  },
  {
    "type": "error",
    "name": "TooFewSigners",
    "inputs": [
      {
        "name": "signers",
        "type": "uint256",
        "internalType": "uint256"
      },
      {
        "name": "needed",
        "type": "uint256",
        "internalType": "uint256"
      }
    ]
  }
] as const;

export const hotVaultBytecode: `0x${string}` =
  '0x610180806040523461070b576133c2803803809161001d828561070f565b833981019060208183031261070b578051906001600160401b03821161070b57019060e08282031261070b5760405160e081016001600160401b0381118282101761033f5760405261006e83610732565b815261007c60208401610732565b906020810191825261009060408501610732565b604082019081526060858101519083019081526080860151909391906001600160401b03811161070b57856100c691880161075d565b6080840190815260a08701519095906001600160401b03811161070b57816100ef91890161075d565b60a0850190815260c088015190976001600160401b03821161070b570181601f8201121561070b5780519061012382610746565b92610131604051948561070f565b82845260208085019360061b8301019181831161070b57602001925b8284106106ae575050505060c084019081526040519561016e60408861070f565b6013875260208701927f506f727463756c6c697320486f745661756c74000000000000000000000000008452604051946101a960408761070f565b60018652603160f81b6020870190815260038054610100600160481b031916610100179055604051909790606081016001600160401b0381118282101761033f57604090815261c350825262030d40602083015261afc8910152600480546001600160601b03191669afc800030d400000c35017905581516001600160a01b031615801561069c575b61068d5780516001600160a01b03163b1561068d57516001600160a01b0390811660805290519151600180549183166001600160a01b03199283161790555f8054939092169216919091178155905196905b8751811015610388576001600160a01b0361029f828a6107c2565b51169081158015610373575b8015610366575b61035357600554916801000000000000000083101561033f57600183018060055583101561032b577f036b6384b5eca791c62761152d0c79bb0604c104a5fb6f4eb0703f3154bb3db090920180546001600160a01b031916831790556005545f9283526006602052604090922091909155600101610284565b634e487b7160e01b5f52603260045260245ffd5b634e487b7160e01b5f52604160045260245ffd5b5063cc3a9d1f60e01b5f5260045260245ffd5b50604060055410156102b2565b50815f52600660205260405f205415156102ab565b508751945f5b8651811015610457576001600160a01b036103a982896107c2565b51169081158015610442575b8015610435575b61035357600754916801000000000000000083101561033f57600183018060075583101561032b577fa66cc928b5edb82af9bd49922954155ab7b0942694bea4ce44661d9a8736c68890920180546001600160a01b031916831790556007545f928352600860205260409092209190915560010161038e565b50604060075410156103bc565b50815f52600860205260405f205415156103b5565b5086516002811061067e5780600255600554600182019081831161066a5781811061065557505060207f6c4ce60fd690e1216286a10b875c5662555f10774484e58142cedd7a90781baa91604051908152a15f5b8351805182101561055d57600191906001600160a01b03906104ce9083906107c2565b515116828060601b0360206104e48489516107c2565b5101511690805f52600a60205260405f20848060601b038316858060601b0319825416179055805f52600960205260405f20848060601b038316858060601b03198254161790556040519182527f2228f4fca63b30cf4ae12084ab4a3ace4e6b2bcfb094149c677224efe73037f960203393a3016104ab565b505092915061056b816107d6565b61014052610578846107d6565b6101605251902091826101005251902080610120524660c0526040519060208201927f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f8452604083015260608201524660808201523060a082015260a081526105e260c08261070f565b51902060a0523060e052604051612b80908161084282396080518181816115cd01528181611a5b0152611a8c015260a05181612902015260c051816129bf015260e051816128d30152610100518161295101526101205181612977015261014051816106f40152610160518161071d0152f35b63cd2ce46f60e01b5f5260045260245260445ffd5b634e487b7160e01b5f52601160045260245ffd5b6324c2693d60e21b5f5260045ffd5b63028be62f60e61b5f5260045ffd5b5082516001600160a01b031615610232565b60408483031261070b5760408051919082016001600160401b0381118382101761033f576040526106de85610732565b82526020850151906001600160601b038216820361070b578260209283604095015281520193019261014d565b5f80fd5b601f909101601f19168101906001600160401b0382119082101761033f57604052565b51906001600160a01b038216820361070b57565b6001600160401b03811161033f5760051b60200190565b9080601f8301121561070b57815161077481610746565b92610782604051948561070f565b81845260208085019260051b82010192831161070b57602001905b8282106107aa5750505090565b602080916107b784610732565b81520191019061079d565b805182101561032b5760209160051b010190565b601f8151116108015760208151910151602082106107f2571790565b5f198260200360031b1b161790565b604460209160405192839163305a27a960e01b83528160048401528051918291826024860152018484015e5f828201840152601f01601f19168101030190fdfe6080604052600436101561001a575b3615610018575f80fd5b005b5f3560e01c8063018dc74f14611f9b578063028085a814611dda5780630c68ba2114611d985780630e316ab714611c9957806313af403514611bf15780631721952214611bc757806322cea98814611b76578063276588ad14611b11578063329946b61461190c5780633c4e4204146118d15780633e3bd188146118565780633f4ba83a1461179857806342cde4e81461177b57806346f0975a146116f1578063546a2ca41461168b5780635a81d4ba146115f15780635bc1eeb4146115a15780635c975abb1461157f578063611a8c47146109d8578063714041561461085d5780637df73e27146108105780638456cb59146107f057806384b0196e146106dc5780638da5cb5b146106aa578063960bfe041461061f578063978da58714610604578063a526d83b1461052d578063a802363a14610512578063c6df6a0c14610440578063c74e6c6b146103b4578063d8fae6d014610361578063e673df8a1461032e578063eb12d61e146101d25763f3e9e6e80361000e57346101ce575f6003193601126101ce5760206040517f59965d6b9d8a3e1527a5e82e767fd44ac48ef8b377cc7f91e3995beae9eeeb428152f35b5f80fd5b346101ce5760206003193601126101ce576101eb612012565b6101f36123b9565b73ffffffffffffffffffffffffffffffffffffffff81169081158015610319575b801561030c575b6102e05760055490680100000000000000008210156102b3576102498260016102759401600555600561244e565b90919073ffffffffffffffffffffffffffffffffffffffff8084549260031b9316831b921b1916179055565b600554815f52600660205260405f205561028d612463565b7f47d1c22a25bb3a5d4e481b9b1e6944c2eade3181a0a20b495ed61d35b5323f245f80a2005b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b507fcc3a9d1f000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b506040600554101561021b565b50815f52600660205260405f20541515610214565b346101ce575f6003193601126101ce57602073ffffffffffffffffffffffffffffffffffffffff60015416604051908152f35b346101ce5760206003193601126101ce5773ffffffffffffffffffffffffffffffffffffffff61038f612012565b165f52600a60205260206bffffffffffffffffffffffff60405f205416604051908152f35b346101ce576103c236612035565b6103ca612405565b73ffffffffffffffffffffffffffffffffffffffff82165f52600a6020526bffffffffffffffffffffffff60405f2054166bffffffffffffffffffffffff8216116104185761001891612531565b7fe9f13c77000000000000000000000000000000000000000000000000000000005f5260045ffd5b346101ce5760206003193601126101ce5773ffffffffffffffffffffffffffffffffffffffff61046e612012565b6104766123b9565b1680156104ea577fffffffffffffffffffffffff00000000000000000000000000000000000000006001548273ffffffffffffffffffffffffffffffffffffffff82167fd8777d08bda508034d7432f917ae6050b15e0f24fe8d51184ba39833ede062125f80a31617600155610018612463565b7fa2f98bc0000000000000000000000000000000000000000000000000000000005f5260045ffd5b346101ce575f6003193601126101ce57602060405160028152f35b346101ce5760206003193601126101ce57610546612012565b61054e6123b9565b73ffffffffffffffffffffffffffffffffffffffff811690811580156105ef575b80156105e2575b6102e05760075490680100000000000000008210156102b3576102498260016105a49401600755600761244e565b600754815f52600860205260405f20556105bc612463565b7f038596bb31e2e7d3d9f184d4c98b310103f6d7f5830e5eec32bffe6f1728f9695f80a2005b5060406007541015610576565b50815f52600860205260405f2054151561056f565b346101ce575f6003193601126101ce57602060405160968152f35b346101ce5760206003193601126101ce5760043561063b6123b9565b60028110610682576020817f6c4ce60fd690e1216286a10b875c5662555f10774484e58142cedd7a90781baa92600255610673612700565b604051908152a1610018612463565b7f9309a4f4000000000000000000000000000000000000000000000000000000005f5260045ffd5b346101ce575f6003193601126101ce57602073ffffffffffffffffffffffffffffffffffffffff5f5416604051908152f35b346101ce575f6003193601126101ce576107946107187f0000000000000000000000000000000000000000000000000000000000000000612a9a565b6107417f0000000000000000000000000000000000000000000000000000000000000000612a9a565b60206107a26040519261075483856121bc565b5f84525f3681376040519586957f0f00000000000000000000000000000000000000000000000000000000000000875260e08588015260e0870190612114565b908582036040870152612114565b4660608501523060808501525f60a085015283810360c08501528180845192838152019301915f5b8281106107d957505050500390f35b8351855286955093810193928101926001016107ca565b346101ce575f6003193601126101ce576108086124f5565b610018612639565b346101ce5760206003193601126101ce57602061085261082e612012565b73ffffffffffffffffffffffffffffffffffffffff165f52600660205260405f2090565b541515604051908152f35b346101ce5760206003193601126101ce5773ffffffffffffffffffffffffffffffffffffffff61088b612012565b610893612405565b16805f52600860205260405f205480156102e0576007545f1981019081116109ab576108d573ffffffffffffffffffffffffffffffffffffffff91600761244e565b90549060031b1c165f1982018281116109ab57816102496108f792600761244e565b5f52600860205260405f2055600754801561097e575f190161093f61091d82600761244e565b73ffffffffffffffffffffffffffffffffffffffff82549160031b1b19169055565b600755805f5260086020525f6040812055610958612463565b7fb8107d0c6b40be480ce3172ee66ba6d64b71f6b1685a851340036e6e2e3e3c525f80a2005b7f4e487b71000000000000000000000000000000000000000000000000000000005f52603160045260245ffd5b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b346101ce5760a06003193601126101ce576109f1612012565b6109f961207d565b60443567ffffffffffffffff81116101ce57610a19903690600401612094565b909160643567ffffffffffffffff81116101ce57610a3b903690600401612094565b909160843567ffffffffffffffff81116101ce57366023820112156101ce5780600401359067ffffffffffffffff82116101ce5736602483830101116101ce5760ff6003541661155757610a8d6125c5565b67ffffffffffffffff831680421161152c5750851592838015611522575b8015611518575b6114f0578486888a610ac4948d6121fd565b916002549160418302838104604114841517156109ab578203611434575f93845b8486106113b5575050505050506113885766ffffffffffffff610b0785612853565b60081c16805f52600d60205260405f2054905f5b85811061128957505f52600d60205260405f20555f915f5b828110611266575073ffffffffffffffffffffffffffffffffffffffff861692835f52600960205260405f2096610e1042049560405198610b738a6121a0565b80546bffffffffffffffffffffffff81168b526bffffffffffffffffffffffff8160601c1660208c015260c01c60408b0152610baf888261275a565b99610bba858c6126f3565b6bffffffffffffffffffffffff825116809111611233575090610c94610cf298999a9b6bffffffffffffffffffffffff80610bfb89826001985116946126f3565b16918d604067ffffffffffffffff815192610c15846121a0565b84845286602085015216910152167fffffffffffffffffffffffffffffffffffffffff00000000000000000000000084541617835582907fffffffffffffffff000000000000000000000000ffffffffffffffffffffffff77ffffffffffffffffffffffff00000000000000000000000083549260601b169116179055565b805477ffffffffffffffffffffffffffffffffffffffffffffffff7fffffffffffffffff0000000000000000000000000000000000000000000000008c60c01b1691161781550197610d6989600183811c600d81069a8b809461274b565b505467ffffffffffffffff811691808303611205575060405191610d15836121a0565b82526bffffffffffffffffffffffff8160401c16602083015260a01c6040820152935b16159a8b156111e557602084016bffffffffffffffffffffffff610d61818a1682845116612868565b16905261274b565b6111b9578151602083015160409384015160a01b7fffffffffffffffffffffffff00000000000000000000000000000000000000001673ffffffffffffffffffffffff00000000000000009190941b1667ffffffffffffffff90911617919091179055861592831561113357475b8181106111055750505f9863ffffffff60405194610df4866121a0565b6004549582871691828252836040818a60201c1693846020820152019860401c1688525f146110fe57505b1693610e2e603f8604866126f3565b600181018091116109ab5763ffffffff610e4a925116906126f3565b935f5b878110610fdf578b8b8b8b83610e83575b5f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d005b610f12915f52600960205260016bffffffffffffffffffffffff60405f20951694610f0c610ec3876bffffffffffffffffffffffff845460601c16612892565b82547fffffffffffffffff000000000000000000000000ffffffffffffffffffffffff1660609190911b77ffffffffffffffffffffffff00000000000000000000000016178255565b0161274b565b509015610f8557610f38610f7c926bffffffffffffffffffffffff835460401c16612892565b7fffffffffffffffffffffffff000000000000000000000000ffffffffffffffff73ffffffffffffffffffffffff000000000000000083549260401b169116179055565b80808080610e5e565b610f96610fda92825460a01c612892565b73ffffffffffffffffffffffffffffffffffffffff7fffffffffffffffffffffffff000000000000000000000000000000000000000083549260a01b169116179055565b610f7c565b73ffffffffffffffffffffffffffffffffffffffff610fff828a8a612190565b351661100c828a8a612190565b3560a01c875a106110d6576110238482848a612a19565b1561107d57908b83927fdae7d3ab6301793a9b165a62cb89399cb394b17f14e5ff691582ef785c436bf7602067ffffffffffffffff61106d6110686001998d8d612190565b612853565b1692604051908152a45b01610e4d565b9c908b61108d8f600195946126f3565b9e7f35c2d761830578c6dabde59e838fafbf8b9a7791a852739b9cd6819fd5e347b7602067ffffffffffffffff6110c8611068888d8d612190565b1692604051908152a4611077565b7f858c8974000000000000000000000000000000000000000000000000000000005f5260045ffd5b9050610e1f565b7f367ed1bc000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b6040517f70a082310000000000000000000000000000000000000000000000000000000081523060048201526020816024818c5afa9081156111ae575f9161117c575b50610dd7565b90506020813d6020116111a6575b81611197602093836121bc565b810103126101ce57518b611176565b3d915061118a565b6040513d5f823e3d90fd5b7f4e487b71000000000000000000000000000000000000000000000000000000005f525f60045260245ffd5b604084016bffffffffffffffffffffffff610d61818a1682845116612868565b91505067ffffffffffffffff6040519161121e836121a0565b1681525f60208201525f604082015293610d38565b858c7fef2ba064000000000000000000000000000000000000000000000000000000005f5260045260245260445260645ffd5b92611282600191611278868686612190565b3560a01c906126f3565b9301610b33565b9161129861106884888a612190565b9067ffffffffffffffff8216918415158061135c575b6113305766ffffffffffffff8160081c1684810361130d575b5060ff600191161b918282166112e257501791600101610b1b565b7f14bc44ee000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b5f948552600d6020526040808620939093558085529190932054909260ff6112c7565b827fe1e26cdc000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b505f1985018581116109ab5761137f61106867ffffffffffffffff928b8d612190565b168311156112ae565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52603260045260245ffd5b60418602868104604114871517156109ab5760018701908188116109ab576041820291808304604114901517156109ab578181116101ce578582116101ce57602481611406930391860101846129e5565b5060048193929310156114c357159081159161148c575b50801561145c575b61143457600190950194610ae5565b7fb4106b0e000000000000000000000000000000000000000000000000000000005f5260045ffd5b506114858173ffffffffffffffffffffffffffffffffffffffff165f52600660205260405f2090565b5415611425565b73ffffffffffffffffffffffffffffffffffffffff91501673ffffffffffffffffffffffffffffffffffffffff821611158d61141d565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52602160045260245ffd5b7fde21ae18000000000000000000000000000000000000000000000000000000005f5260045ffd5b5084871415610ab2565b5060968711610aab565b7fbfb22adf000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b7f1309a563000000000000000000000000000000000000000000000000000000005f5260045ffd5b346101ce575f6003193601126101ce57602060ff600354166040519015158152f35b346101ce575f6003193601126101ce57602060405173ffffffffffffffffffffffffffffffffffffffff7f0000000000000000000000000000000000000000000000000000000000000000168152f35b346101ce575f6003193601126101ce5760405180602060075491828152019060075f527fa66cc928b5edb82af9bd49922954155ab7b0942694bea4ce44661d9a8736c688905f5b81811061165f5761165b8561164f818703826121bc565b604051918291826120c5565b0390f35b825473ffffffffffffffffffffffffffffffffffffffff16845260209093019260019283019201611638565b346101ce5760206003193601126101ce5773ffffffffffffffffffffffffffffffffffffffff6116b9612012565b165f5260096020526040805f206116e56bffffffffffffffffffffffff82541691610e1042049061275a565b82519182526020820152f35b346101ce575f6003193601126101ce5760405180602060055491828152019060055f527f036b6384b5eca791c62761152d0c79bb0604c104a5fb6f4eb0703f3154bb3db0905f5b81811061174f5761165b8561164f818703826121bc565b825473ffffffffffffffffffffffffffffffffffffffff16845260209093019260019283019201611738565b346101ce575f6003193601126101ce576020600254604051908152f35b346101ce575f6003193601126101ce576117b0612405565b60035460ff81161561182e577fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff00906117e6612700565b166003556117f2612463565b7fa0a1b115a3fdd20e32f15353aa316670a8888ae5f76ea442ef0b72527afa4962602067ffffffffffffffff60035460081c16604051908152a1005b7f6cd60201000000000000000000000000000000000000000000000000000000005f5260045ffd5b346101ce5760806003193601126101ce5761186f612012565b61187761207d565b60443567ffffffffffffffff81116101ce57611897903690600401612094565b9190926064359267ffffffffffffffff84116101ce576020946118c16118c9953690600401612094565b9490936121fd565b604051908152f35b346101ce575f6003193601126101ce576004546040805163ffffffff8084168252602084811c82169083015292821c90921690820152606090f35b346101ce5760206003193601126101ce5760043567ffffffffffffffff81116101ce5761193d903690600401612094565b906119466124f5565b61194e6125c5565b611956612639565b63ffffffff60045460201c16915f5b818110611991575f7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d005b61199c818385612190565b359073ffffffffffffffffffffffffffffffffffffffff82168083036101ce5760019281158015611aca57479188865b80938180611ac2575b611ab6578591611a46575b505050505f14611a1c5760207f60fe0e3f78d27c6645a901852f1421b241af7421f15c7d4b2706e63198c0ef7191604051908152a25b01611965565b507fc6f941a988ec055289b22bbc51894145767dcbb304c1f27ca2da6fc675c014be5f80a2611a16565b929350909115611a86575f80935080925080917f00000000000000000000000000000000000000000000000000000000000000005af15b888883826119e0565b611ab1927f000000000000000000000000000000000000000000000000000000000000000090612696565b611a7d565b50505050505050611a16565b5085156119d5565b5f917f70a08231000000000000000000000000000000000000000000000000000000005f52306004528860205f6024818585fa601f3d111680156119cc575f5194506119cc565b346101ce57611b1f36612035565b611b276124f5565b73ffffffffffffffffffffffffffffffffffffffff82165f5260096020526bffffffffffffffffffffffff60405f2054166bffffffffffffffffffffffff821610156104185761001891612531565b346101ce5760206003193601126101ce5760043567ffffffffffffffff811681036101ce578066ffffffffffffff60209260081c165f52600d825260405f2054600160ff60405193161b1615158152f35b346101ce575f6003193601126101ce57602067ffffffffffffffff60035460081c16604051908152f35b346101ce5760206003193601126101ce5773ffffffffffffffffffffffffffffffffffffffff611c1f612012565b611c276123b9565b1680156104ea577fffffffffffffffffffffffff00000000000000000000000000000000000000005f548273ffffffffffffffffffffffffffffffffffffffff82167fb532073b38c83145e3e5135377a08bf9aab55bc0fd7c1179cd4fb995d2a5159c5f80a316175f55610018612463565b346101ce5760206003193601126101ce5773ffffffffffffffffffffffffffffffffffffffff611cc7612012565b611ccf612405565b16805f52600660205260405f205480156102e0576005545f1981019081116109ab57611d1173ffffffffffffffffffffffffffffffffffffffff91600561244e565b90549060031b1c165f1982018281116109ab5781610249611d3392600561244e565b5f52600660205260405f2055600554801561097e575f1901611d5961091d82600561244e565b600555805f5260066020525f6040812055611d72612463565b7f3525e22824a8a7df2c9a6029941c824cf95b6447f1e13d5128fd3826d35afe8b5f80a2005b346101ce5760206003193601126101ce576020610852611db6612012565b73ffffffffffffffffffffffffffffffffffffffff165f52600860205260405f2090565b346101ce5760606003193601126101ce57611df36123b9565b61753063ffffffff611e03612157565b16108015611f83575b8015611f6b575b611f1157621e848063ffffffff611e28612157565b16118015611f52575b8015611f39575b611f115763ffffffff611e49612157565b166004549067ffffffff00000000611e5f61216a565b60201b16907fffffffffffffffffffffffffffffffffffffffff0000000000000000000000006bffffffff0000000000000000611e9a61217d565b60401b1693161717176004557fb1f4302b88c6628e237d7aec50506d1e88757466c35ac6214929c2493f7bfa01611ecf612157565b611ed761216a565b90611f0c611ee361217d565b6040519384938491604091949363ffffffff809281606087019816865216602085015216910152565b0390a1005b7f15aa8d4e000000000000000000000000000000000000000000000000000000005f5260045ffd5b50621e848063ffffffff611f4b61217d565b1611611e38565b50621e848063ffffffff611f6461216a565b1611611e31565b50619c4063ffffffff611f7c61217d565b1610611e13565b5061ea6063ffffffff611f9461216a565b1610611e0c565b346101ce57610018611fac36612035565b90611fb56123b9565b73ffffffffffffffffffffffffffffffffffffffff81165f52600a60205260405f206bffffffffffffffffffffffff83167fffffffffffffffffffffffffffffffffffffffff000000000000000000000000825416179055612531565b6004359073ffffffffffffffffffffffffffffffffffffffff821682036101ce57565b60031960409101126101ce5760043573ffffffffffffffffffffffffffffffffffffffff811681036101ce57906024356bffffffffffffffffffffffff811681036101ce5790565b6024359067ffffffffffffffff821682036101ce57565b9181601f840112156101ce5782359167ffffffffffffffff83116101ce576020808501948460051b0101116101ce57565b60206040818301928281528451809452019201905f5b8181106120e85750505090565b825173ffffffffffffffffffffffffffffffffffffffff168452602093840193909201916001016120db565b907fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f602080948051918291828752018686015e5f8582860101520116010190565b60043563ffffffff811681036101ce5790565b60243563ffffffff811681036101ce5790565b60443563ffffffff811681036101ce5790565b91908110156113885760051b0190565b6060810190811067ffffffffffffffff8211176102b357604052565b90601f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0910116810190811067ffffffffffffffff8211176102b357604052565b939490929167ffffffffffffffff60035460081c1692604051908160208101938490925f905b80821061238957505061225d9250037fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe081018352826121bc565b5190209060405160208101917f07ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff81116101ce576020826042996122d09360051b80918737810103017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe081018352826121bc565b5190209167ffffffffffffffff6040519473ffffffffffffffffffffffffffffffffffffffff60208701977f59965d6b9d8a3e1527a5e82e767fd44ac48ef8b377cc7f91e3995beae9eeeb428952166040870152166060850152608084015260a083015260c082015260c0815261234860e0826121bc565b5190206123536128bc565b90604051917f19010000000000000000000000000000000000000000000000000000000000008352600283015260228201522090565b9190925083359067ffffffffffffffff82168092036101ce57602081600193829352019401920184929391612223565b73ffffffffffffffffffffffffffffffffffffffff5f541633036123d957565b7ffa5cd00f000000000000000000000000000000000000000000000000000000005f523360045260245ffd5b73ffffffffffffffffffffffffffffffffffffffff600154163314158061242d575b6123d957565b5073ffffffffffffffffffffffffffffffffffffffff5f5416331415612427565b8054821015611388575f5260205f2001905f90565b60035467ffffffffffffffff8160081c1667ffffffffffffffff81146109ab577f8bb09569ccf4e1ef55f5176c6ad0ae69ebd8b923a45680f824d3f865e301446c91600160209201907fffffffffffffffffffffffffffffffffffffffffffffff0000000000000000ff68ffffffffffffffff008360081b1691161760035567ffffffffffffffff60405191168152a1565b335f90815260066020526040902054158061251b575b61251157565b612519612405565b565b50335f908152600860205260409020541561250b565b73ffffffffffffffffffffffffffffffffffffffff16805f52600960205260405f206bffffffffffffffffffffffff83167fffffffffffffffffffffffffffffffffffffffff0000000000000000000000008254161790556bffffffffffffffffffffffff604051921682527f2228f4fca63b30cf4ae12084ab4a3ace4e6b2bcfb094149c677224efe73037f960203393a3565b7f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005c6126115760017f9b779b17422d0df92223018b32b4d1fa46e071723d6817e2486d003becc55f005d565b7f3ee5aeb5000000000000000000000000000000000000000000000000000000005f5260045ffd5b60035460ff8116612693577fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0016600117600355337f62e78cea01bee320cd4e420270b5ea74000d11b0c9f74754ebdbfc544b05a2585f80a2565b50565b925f918285604493602096604051947fa9059cbb00000000000000000000000000000000000000000000000000000000865260048601526024850152828052f1903d156126ec575060015f5114601f3d11161690565b3b15151690565b919082018092116109ab57565b60055460025490600182018092116109ab5781811061271d575050565b7fcd2ce46f000000000000000000000000000000000000000000000000000000005f5260045260245260445ffd5b600d8210156113885701905f90565b91908254918260c01c92601984018085116109ab5783101561284a5760601c6bffffffffffffffffffffffff169260018101908181116109ab577fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe8019081116109ab579193600101915b601981018082116109ab578510612843578060011c6127e6600d82068561274b565b50549067ffffffffffffffff82161461280b575b505f1981146109ab576001016127c4565b9093906bffffffffffffffffffffffff906001861661283b5760401c81165b1681039081116109ab57925f6127fa565b60a01c61282a565b5091925050565b50925050505f90565b3567ffffffffffffffff811681036101ce5790565b906bffffffffffffffffffffffff809116911601906bffffffffffffffffffffffff82116109ab57565b906bffffffffffffffffffffffff809116911603906bffffffffffffffffffffffff82116109ab57565b73ffffffffffffffffffffffffffffffffffffffff7f0000000000000000000000000000000000000000000000000000000000000000163014806129bc575b15612924577f000000000000000000000000000000000000000000000000000000000000000090565b60405160208101907f8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f82527f000000000000000000000000000000000000000000000000000000000000000060408201527f000000000000000000000000000000000000000000000000000000000000000060608201524660808201523060a082015260a081526129b660c0826121bc565b51902090565b507f000000000000000000000000000000000000000000000000000000000000000046146128fb565b9060418303612a0f57612a089250602081013591604082359201355f1a90612af1565b9192909190565b50505f9160029190565b92919273ffffffffffffffffffffffffffffffffffffffff82168015908115612a90575b508015612a88575b612a805773ffffffffffffffffffffffffffffffffffffffff811615612a735790612a709391612696565b90565b505f80938193928293f190565b505050505f90565b508315612a45565b905030145f612a3d565b60ff811690601f8211612ac95760405191612ab66040846121bc565b6020808452838101919036833783525290565b7fb3512b0c000000000000000000000000000000000000000000000000000000005f5260045ffd5b91907f7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a08411612b75579160209360809260ff5f9560405194855216868401526040830152606082015282805260015afa156111ae575f5173ffffffffffffffffffffffffffffffffffffffff811615612b6b57905f905f90565b505f906001905f90565b5050505f916003919056';
