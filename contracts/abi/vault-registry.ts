// VaultRegistry, compiled from contracts/src. Written by contracts/generate-abi.ts; not edited by hand.

export const vaultRegistryAbi = [
  {
    "type": "constructor",
    "inputs": [
      {
        "name": "initializer",
        "type": "address",
        "internalType": "address"
      }
    ],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "INITIALIZER",
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
    "name": "admit",
    "inputs": [
      {
        "name": "candidate",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "cold",
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
    "name": "destination",
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
    "name": "failover",
    "inputs": [],
    "outputs": [],
    "stateMutability": "nonpayable"
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
    "name": "initialize",
    "inputs": [
      {
        "name": "cold_",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "owner_",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "operators_",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "guardians_",
        "type": "address[]",
        "internalType": "address[]"
      },
      {
        "name": "vault",
        "type": "address",
        "internalType": "address"
      },
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
    "name": "isAdmitted",
    "inputs": [
      {
        "name": "candidate",
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
    "name": "isToken",
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
        "type": "bool",
        "internalType": "bool"
      }
    ],
    "stateMutability": "view"
  },
  {
    "type": "function",
    "name": "listToken",
    "inputs": [
      {
        "name": "token",
        "type": "address",
        "internalType": "address"
      },
      {
        "name": "listed",
        "type": "bool",
        "internalType": "bool"
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
    "name": "revoke",
    "inputs": [
      {
        "name": "candidate",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "setCold",
    "inputs": [
      {
        "name": "candidate",
        "type": "address",
        "internalType": "address"
      }
    ],
    "outputs": [],
    "stateMutability": "nonpayable"
  },
  {
    "type": "function",
    "name": "setDestination",
    "inputs": [
      {
        "name": "candidate",
        "type": "address",
        "internalType": "address"
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
    "type": "event",
    "name": "ColdChanged",
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
    "name": "DestinationAdmitted",
    "inputs": [
      {
        "name": "destination",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      }
    ],
    "anonymous": false
  },
  {
    "type": "event",
    "name": "DestinationChanged",
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
    "name": "DestinationRevoked",
    "inputs": [
      {
        "name": "destination",
        "type": "address",
        "indexed": true,
        "internalType": "address"
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
    "name": "TokenListed",
    "inputs": [
      {
        "name": "token",
        "type": "address",
        "indexed": true,
        "internalType": "address"
      },
      {
        "name": "listed",
        "type": "bool",
        "indexed": false,
        "internalType": "bool"
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
    "name": "AlreadyInitialized",
    "inputs": []
  },
  {
    "type": "error",
    "name": "InUse",
    "inputs": [
      {
        "name": "candidate",
        "type": "address",
        "internalType": "address"
      }
    ]
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
    "name": "NotAdmitted",
    "inputs": [
      {
        "name": "candidate",
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
  }
] as const;

export const vaultRegistryBytecode: `0x${string}` =
  '0x60a034608157601f6111cd38819003918201601f19168301916001600160401b03831184841017608557808492602094604052833981010312608157516001600160a01b03811680820360815715607257608052604051611133908161009a82396080518181816102b40152610cb90152f35b63028be62f60e61b5f5260045ffd5b5f80fd5b634e487b7160e01b5f52604160045260245ffdfe60806040526004361015610011575f80fd5b5f3560e01c80630a0a05e614610dcd5780630c68ba2114610da457806313af403514610d1a57806319f3736114610cdd57806347933f4914610c9a578063578e9dc514610c745780635a81d4ba14610bac57806369ef948b14610b3e5780637140415614610923578063719a90e51461088757806374a8f103146107995780637bbca57f1461076e5780638aa4daa1146106aa5780638da5cb5b14610684578063a526d83b1461062b578063b269681d14610606578063c12b1b781461020e578063c6df6a0c1461015c578063d233fb381461011f5763e673df8a146100f5575f80fd5b3461011b575f60031936011261011b5760206001600160a01b0360035416604051908152f35b5f80fd5b3461011b57602060031936011261011b576001600160a01b03610140610e43565b165f526004602052602060ff60405f2054166040519015158152f35b3461011b57602060031936011261011b576001600160a01b0361017d610e43565b610185610f6d565b1680156101e6577fffffffffffffffffffffffff0000000000000000000000000000000000000000600354826001600160a01b0382167fd8777d08bda508034d7432f917ae6050b15e0f24fe8d51184ba39833ede062125f80a31617600355005b7fa2f98bc0000000000000000000000000000000000000000000000000000000005f5260045ffd5b3461011b5760c060031936011261011b57610227610e43565b602435906001600160a01b03821680920361011b57604435916001600160a01b03831680930361011b5760643567ffffffffffffffff811161011b57610271903690600401610e59565b936084356001600160a01b0381169182820361011b5760a43567ffffffffffffffff811161011b576102a7903690600401610e59565b9590946001600160a01b037f00000000000000000000000000000000000000000000000000000000000000001633036105da576002546001600160a01b0381166105b257821580156105aa575b6101e6577fffffffffffffffffffffffff000000000000000000000000000000000000000083911617600255827fffffffffffffffffffffffff0000000000000000000000000000000000000000600354161760035567ffffffffffffffff891161057d578860051b906040519961036f602084018c610e8a565b8a5260208a019181019036821161011b57915b81831061055d575050505f5b88518110156103bb576001906103b56001600160a01b0360208360051b8d01015116611031565b0161038e565b506001600160a01b03876103ce81610fc6565b169283850361054e575b505f5b86811015610463578060051b860135906001600160a01b03821680920361011b57816001925f52600560205260405f20837fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff008254161790557f4d028d2443376b23d569a2141e590b27661745f8ec8da63579e90de18a462afb6020604051858152a2016103db565b50827fffffffffffffffffffffffff00000000000000000000000000000000000000006001541617600155837fffffffffffffffffffffffff00000000000000000000000000000000000000005f5416175f555f7fb532073b38c83145e3e5135377a08bf9aab55bc0fd7c1179cd4fb995d2a5159c8180a35f7fd8777d08bda508034d7432f917ae6050b15e0f24fe8d51184ba39833ede062128180a35f7f32ed03367f89ee82ba3c03922962b6b08d05d8e9cab18eb2738cdc521fd523768180a333905f7f1971dc30a987660e8f1ea779a1df0710c2ca139852e46c11e5869e34744be5ac8180a4005b61055790610fc6565b866103d8565b82356001600160a01b038116810361011b57815260209283019201610382565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b5083156102f4565b7f0dc149f0000000000000000000000000000000000000000000000000000000005f5260045ffd5b7ffa5cd00f000000000000000000000000000000000000000000000000000000005f523360045260245ffd5b3461011b575f60031936011261011b5760206001600160a01b035f5416604051908152f35b3461011b57602060031936011261011b576001600160a01b0361064c610e43565b610654610f6d565b61065d81611031565b167f038596bb31e2e7d3d9f184d4c98b310103f6d7f5830e5eec32bffe6f1728f9695f80a2005b3461011b575f60031936011261011b5760206001600160a01b0360025416604051908152f35b3461011b57602060031936011261011b576001600160a01b036106cb610e43565b6106d3610f6d565b16805f52600460205260ff60405f20541615610743577fffffffffffffffffffffffff0000000000000000000000000000000000000000600154826001600160a01b0382167f32ed03367f89ee82ba3c03922962b6b08d05d8e9cab18eb2738cdc521fd523765f80a31617600155005b7ff9eb7453000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b3461011b57602060031936011261011b5761079761078a610e43565b610792610f6d565b610fc6565b005b3461011b57602060031936011261011b576001600160a01b036107ba610e43565b6107c2610ecb565b16805f52600460205260ff60405f20541615610743576001600160a01b036001541681148015610874575b61084957805f52600460205260405f207fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0081541690557f2c187b1852fb45cee5b4269d718169d47dd627f3f19c62d700aef97f9d619b285f80a2005b7faaf6c998000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b506001600160a01b035f541681146107ed565b3461011b57604060031936011261011b576108a0610e43565b6024359081151580920361011b5760206001600160a01b037f4d028d2443376b23d569a2141e590b27661745f8ec8da63579e90de18a462afb926108e2610ecb565b1692835f526005825260405f207fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0081541660ff8316179055604051908152a2005b3461011b57602060031936011261011b5761093c610e43565b610944610ecb565b61095f816001600160a01b03165f52600760205260405f2090565b548015610b09576006547fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff8101908111610adc576109a46001600160a01b0391610f81565b90549060031b1c167fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff820190828211610adc57610a06816109e7610a1d94610f81565b9091906001600160a01b038084549260031b9316831b921b1916179055565b6001600160a01b03165f52600760205260405f2090565b55600654908115610aaf577fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff6001600160a01b039201610a5c81610f81565b8482549160031b1b191690556006555f610a87826001600160a01b03165f52600760205260405f2090565b55167fb8107d0c6b40be480ce3172ee66ba6d64b71f6b1685a851340036e6e2e3e3c525f80a2005b7f4e487b71000000000000000000000000000000000000000000000000000000005f52603160045260245ffd5b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b6001600160a01b03827fcc3a9d1f000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b3461011b575f60031936011261011b57335f908152600760205260409020541580610b97575b80610b82575b6105da576107976001600160a01b0360015416610efb565b506001600160a01b0360025416331415610b6a565b506001600160a01b0360035416331415610b64565b3461011b575f60031936011261011b576040518060206006549283815201809260065f527ff652222313e28459528d920b65115c16c04f3efc82aaedc97be59f3f377c0d3f905f5b818110610c555750505081610c0a910382610e8a565b604051918291602083019060208452518091526040830191905f5b818110610c33575050500390f35b82516001600160a01b0316845285945060209384019390920191600101610c25565b82546001600160a01b0316845260209093019260019283019201610bf4565b3461011b575f60031936011261011b5760206001600160a01b0360015416604051908152f35b3461011b575f60031936011261011b5760206040516001600160a01b037f0000000000000000000000000000000000000000000000000000000000000000168152f35b3461011b57602060031936011261011b576001600160a01b03610cfe610e43565b165f526005602052602060ff60405f2054166040519015158152f35b3461011b57602060031936011261011b576001600160a01b03610d3b610e43565b610d43610f6d565b1680156101e6577fffffffffffffffffffffffff0000000000000000000000000000000000000000600254826001600160a01b0382167fb532073b38c83145e3e5135377a08bf9aab55bc0fd7c1179cd4fb995d2a5159c5f80a31617600255005b3461011b57602060031936011261011b576020610dc2610a06610e43565b541515604051908152f35b3461011b57602060031936011261011b57610de6610e43565b610dee610ecb565b6001600160a01b03811690815f52600460205260ff60405f20541615610e175761079790610efb565b507ff9eb7453000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b600435906001600160a01b038216820361011b57565b9181601f8401121561011b5782359167ffffffffffffffff831161011b576020808501948460051b01011161011b57565b90601f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0910116810190811067ffffffffffffffff82111761057d57604052565b6001600160a01b036003541633141580610ee6575b6105da57565b506001600160a01b0360025416331415610ee0565b5f54906001600160a01b03808316911691828214610f685782156101e6577fffffffffffffffffffffffff0000000000000000000000000000000000000000918333917f1971dc30a987660e8f1ea779a1df0710c2ca139852e46c11e5869e34744be5ac5f80a416175f55565b505050565b6001600160a01b036002541633036105da57565b600654811015610f995760065f5260205f2001905f90565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52603260045260245ffd5b803b156101e6576001600160a01b0316805f52600460205260405f2060017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff008254161790557fc451153292a833875b8a87240b26704d9684d6d0ec703bb56b08cc45772ee0945f80a2565b6001600160a01b038116908115801561111e575b8015611111575b6110e557600654906801000000000000000082101561057d5760018201600655600654821015610f995760065f527ff652222313e28459528d920b65115c16c04f3efc82aaedc97be59f3f377c0d3f90910180547fffffffffffffffffffffffff0000000000000000000000000000000000000000166001600160a01b03909216919091179055600654905f52600760205260405f2055565b507fcc3a9d1f000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b506040600654101561104c565b50815f52600760205260405f2054151561104556';
