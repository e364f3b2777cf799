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
  '0x60a034608157601f61125038819003918201601f19168301916001600160401b03831184841017608557808492602094604052833981010312608157516001600160a01b038116808203608157156072576080526040516111b6908161009a82396080518181816101f10152610cee0152f35b63028be62f60e61b5f5260045ffd5b5f80fd5b634e487b7160e01b5f52604160045260245ffdfe60806040526004361015610011575f80fd5b5f3560e01c80630a0a05e614610ddf5780630c68ba2114610db657806313af403514610d1257806347933f4914610cc2578063578e9dc514610c8f5780635a81d4ba14610bad57806369ef948b14610b1857806371404156146108a257806374a8f1031461078d5780637bbca57f146107625780638aa4daa1146106845780638da5cb5b14610651578063a526d83b146105eb578063b269681d146105b9578063c6df6a0c14610515578063d233fb38146104cb578063e3b1a2b3146101165763e673df8a146100df575f80fd5b34610112575f60031936011261011257602073ffffffffffffffffffffffffffffffffffffffff60035416604051908152f35b5f80fd5b346101125760a06003193601126101125761012f610e62565b6024359073ffffffffffffffffffffffffffffffffffffffff82168092036101125760443573ffffffffffffffffffffffffffffffffffffffff81168091036101125760643567ffffffffffffffff811161011257366023820112156101125780600401359167ffffffffffffffff8311610112578260051b9460248684010192368411610112576084359373ffffffffffffffffffffffffffffffffffffffff8516958686036101125773ffffffffffffffffffffffffffffffffffffffff7f000000000000000000000000000000000000000000000000000000000000000016330361049f5760025473ffffffffffffffffffffffffffffffffffffffff8116610477578415801561046f575b610447577fffffffffffffffffffffffff000000000000000000000000000000000000000085911617600255847fffffffffffffffffffffffff000000000000000000000000000000000000000060035416176003556102a460206040519a018a610e85565b88526024602089019201915b81831061041a575050505f5b86518110156102f6576001906102f073ffffffffffffffffffffffffffffffffffffffff60208360051b8b0101511661109a565b016102bc565b5073ffffffffffffffffffffffffffffffffffffffff8561031681611022565b169283850361040b575b50827fffffffffffffffffffffffff00000000000000000000000000000000000000006001541617600155837fffffffffffffffffffffffff00000000000000000000000000000000000000005f5416175f555f7fb532073b38c83145e3e5135377a08bf9aab55bc0fd7c1179cd4fb995d2a5159c8180a35f7fd8777d08bda508034d7432f917ae6050b15e0f24fe8d51184ba39833ede062128180a35f7f32ed03367f89ee82ba3c03922962b6b08d05d8e9cab18eb2738cdc521fd523768180a333905f7f1971dc30a987660e8f1ea779a1df0710c2ca139852e46c11e5869e34744be5ac8180a4005b61041490611022565b84610320565b823573ffffffffffffffffffffffffffffffffffffffff81168103610112578152602092830192016102b0565b7fa2f98bc0000000000000000000000000000000000000000000000000000000005f5260045ffd5b50851561023e565b7f0dc149f0000000000000000000000000000000000000000000000000000000005f5260045ffd5b7ffa5cd00f000000000000000000000000000000000000000000000000000000005f523360045260245ffd5b346101125760206003193601126101125773ffffffffffffffffffffffffffffffffffffffff6104f9610e62565b165f526004602052602060ff60405f2054166040519015158152f35b346101125760206003193601126101125773ffffffffffffffffffffffffffffffffffffffff610543610e62565b61054b610fbc565b168015610447577fffffffffffffffffffffffff00000000000000000000000000000000000000006003548273ffffffffffffffffffffffffffffffffffffffff82167fd8777d08bda508034d7432f917ae6050b15e0f24fe8d51184ba39833ede062125f80a31617600355005b34610112575f60031936011261011257602073ffffffffffffffffffffffffffffffffffffffff5f5416604051908152f35b346101125760206003193601126101125773ffffffffffffffffffffffffffffffffffffffff610619610e62565b610621610fbc565b61062a8161109a565b167f038596bb31e2e7d3d9f184d4c98b310103f6d7f5830e5eec32bffe6f1728f9695f80a2005b34610112575f60031936011261011257602073ffffffffffffffffffffffffffffffffffffffff60025416604051908152f35b346101125760206003193601126101125773ffffffffffffffffffffffffffffffffffffffff6106b2610e62565b6106ba610fbc565b16805f52600460205260ff60405f20541615610737577fffffffffffffffffffffffff00000000000000000000000000000000000000006001548273ffffffffffffffffffffffffffffffffffffffff82167f32ed03367f89ee82ba3c03922962b6b08d05d8e9cab18eb2738cdc521fd523765f80a31617600155005b7ff9eb7453000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b346101125760206003193601126101125761078b61077e610e62565b610786610fbc565b611022565b005b346101125760206003193601126101125773ffffffffffffffffffffffffffffffffffffffff6107bb610e62565b6107c3610ef3565b16805f52600460205260ff60405f205416156107375773ffffffffffffffffffffffffffffffffffffffff6001541681148015610882575b61085757805f52600460205260405f207fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff0081541690557f2c187b1852fb45cee5b4269d718169d47dd627f3f19c62d700aef97f9d619b285f80a2005b7faaf6c998000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b5073ffffffffffffffffffffffffffffffffffffffff5f541681146107fb565b34610112576020600319360112610112576108bb610e62565b6108c3610ef3565b6108eb8173ffffffffffffffffffffffffffffffffffffffff165f52600660205260405f2090565b548015610ad6576005547fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff8101908111610aa95761093d73ffffffffffffffffffffffffffffffffffffffff91610fdd565b90549060031b1c167fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff820190828211610aa9576109ac816109806109d094610fdd565b90919073ffffffffffffffffffffffffffffffffffffffff8084549260031b9316831b921b1916179055565b73ffffffffffffffffffffffffffffffffffffffff165f52600660205260405f2090565b55600554908115610a7c577fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff73ffffffffffffffffffffffffffffffffffffffff9201610a1c81610fdd565b8482549160031b1b191690556005555f610a548273ffffffffffffffffffffffffffffffffffffffff165f52600660205260405f2090565b55167fb8107d0c6b40be480ce3172ee66ba6d64b71f6b1685a851340036e6e2e3e3c525f80a2005b7f4e487b71000000000000000000000000000000000000000000000000000000005f52603160045260245ffd5b7f4e487b71000000000000000000000000000000000000000000000000000000005f52601160045260245ffd5b73ffffffffffffffffffffffffffffffffffffffff827fcc3a9d1f000000000000000000000000000000000000000000000000000000005f521660045260245ffd5b34610112575f60031936011261011257335f908152600660205260409020541580610b8b575b80610b69575b61049f5761078b73ffffffffffffffffffffffffffffffffffffffff60015416610f3d565b5073ffffffffffffffffffffffffffffffffffffffff60025416331415610b44565b5073ffffffffffffffffffffffffffffffffffffffff60035416331415610b3e565b34610112575f600319360112610112576040518060206005549283815201809260055f527f036b6384b5eca791c62761152d0c79bb0604c104a5fb6f4eb0703f3154bb3db0905f5b818110610c635750505081610c0b910382610e85565b604051918291602083019060208452518091526040830191905f5b818110610c34575050500390f35b825173ffffffffffffffffffffffffffffffffffffffff16845285945060209384019390920191600101610c26565b825473ffffffffffffffffffffffffffffffffffffffff16845260209093019260019283019201610bf5565b34610112575f60031936011261011257602073ffffffffffffffffffffffffffffffffffffffff60015416604051908152f35b34610112575f60031936011261011257602060405173ffffffffffffffffffffffffffffffffffffffff7f0000000000000000000000000000000000000000000000000000000000000000168152f35b346101125760206003193601126101125773ffffffffffffffffffffffffffffffffffffffff610d40610e62565b610d48610fbc565b168015610447577fffffffffffffffffffffffff00000000000000000000000000000000000000006002548273ffffffffffffffffffffffffffffffffffffffff82167fb532073b38c83145e3e5135377a08bf9aab55bc0fd7c1179cd4fb995d2a5159c5f80a31617600255005b34610112576020600319360112610112576020610dd46109ac610e62565b541515604051908152f35b3461011257602060031936011261011257610df8610e62565b610e00610ef3565b73ffffffffffffffffffffffffffffffffffffffff811690815f52600460205260ff60405f20541615610e365761078b90610f3d565b507ff9eb7453000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b6004359073ffffffffffffffffffffffffffffffffffffffff8216820361011257565b90601f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0910116810190811067ffffffffffffffff821117610ec657604052565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b73ffffffffffffffffffffffffffffffffffffffff6003541633141580610f1b575b61049f57565b5073ffffffffffffffffffffffffffffffffffffffff60025416331415610f15565b5f549073ffffffffffffffffffffffffffffffffffffffff808316911691828214610fb7578215610447577fffffffffffffffffffffffff0000000000000000000000000000000000000000918333917f1971dc30a987660e8f1ea779a1df0710c2ca139852e46c11e5869e34744be5ac5f80a416175f55565b505050565b73ffffffffffffffffffffffffffffffffffffffff60025416330361049f57565b600554811015610ff55760055f5260205f2001905f90565b7f4e487b71000000000000000000000000000000000000000000000000000000005f52603260045260245ffd5b803b156104475773ffffffffffffffffffffffffffffffffffffffff16805f52600460205260405f2060017fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff008254161790557fc451153292a833875b8a87240b26704d9684d6d0ec703bb56b08cc45772ee0945f80a2565b73ffffffffffffffffffffffffffffffffffffffff811690811580156111a1575b8015611194575b611168576005549068010000000000000000821015610ec65760018201600555600554821015610ff55760055f527f036b6384b5eca791c62761152d0c79bb0604c104a5fb6f4eb0703f3154bb3db090910180547fffffffffffffffffffffffff00000000000000000000000000000000000000001673ffffffffffffffffffffffffffffffffffffffff909216919091179055600554905f52600660205260405f2055565b507fcc3a9d1f000000000000000000000000000000000000000000000000000000005f5260045260245ffd5b50604060055410156110c2565b50815f52600660205260405f205415156110bb56';
