// TestContractWallet, compiled from contracts/src. Written by contracts/generate-abi.ts; not edited by hand.

export const testContractWalletAbi = [
  {
    "type": "receive",
    "stateMutability": "payable"
  },
  {
    "type": "function",
    "name": "forward",
    "inputs": [
      {
        "name": "to",
        "type": "address",
        "internalType": "address payable"
      }
    ],
    "outputs": [],
    "stateMutability": "payable"
  },
  {
    "type": "function",
    "name": "forwardAndUndo",
    "inputs": [
      {
        "name": "to",
        "type": "address",
        "internalType": "address payable"
      }
    ],
    "outputs": [],
    "stateMutability": "payable"
  },
  {
    "type": "function",
    "name": "forwardBySelfdestruct",
    "inputs": [
      {
        "name": "to",
        "type": "address",
        "internalType": "address payable"
      }
    ],
    "outputs": [],
    "stateMutability": "payable"
  },
  {
    "type": "function",
    "name": "forwardEach",
    "inputs": [
      {
        "name": "to",
        "type": "address[]",
        "internalType": "address payable[]"
      },
      {
        "name": "amountEach",
        "type": "uint256",
        "internalType": "uint256"
      }
    ],
    "outputs": [],
    "stateMutability": "payable"
  },
  {
    "type": "function",
    "name": "forwardWithStipend",
    "inputs": [
      {
        "name": "to",
        "type": "address",
        "internalType": "address payable"
      }
    ],
    "outputs": [],
    "stateMutability": "payable"
  },
  {
    "type": "function",
    "name": "payThenRevert",
    "inputs": [
      {
        "name": "to",
        "type": "address",
        "internalType": "address payable"
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
    "type": "error",
    "name": "PaymentFailed",
    "inputs": []
  },
  {
    "type": "error",
    "name": "UndoneOnPurpose",
    "inputs": []
  }
] as const;

export const testContractWalletBytecode: `0x${string}` =
  '0x60808060405234601557610440908161001a8239f35b5f80fdfe6080604052600436101561001a575b3615610018575f80fd5b005b5f5f3560e01c8063101e8952146102d1578063138459401461026757806344b2f9e3146101d357806368031d311461013c5780637ea9ec4b146100b757639e4d4cc314610067575061000e565b346100b45760406003193601126100b45760049061008f6100866102ef565b602435906103b0565b7f5814c37a000000000000000000000000000000000000000000000000000000008152fd5b80fd5b506020600319360112610138576100cc6102ef565b303b156101385773ffffffffffffffffffffffffffffffffffffffff604051917f9e4d4cc30000000000000000000000000000000000000000000000000000000083521660048201523460248201525f8160448183305af161012c575080f35b61001891505f90610312565b5f80fd5b6020600319360112610138576101506102ef565b6040519060619081830183811067ffffffffffffffff8211176101a65773ffffffffffffffffffffffffffffffffffffffff84926020946103df853916815203019034f01561019b57005b6040513d5f823e3d90fd5b7f4e487b71000000000000000000000000000000000000000000000000000000005f52604160045260245ffd5b60406003193601126101385760043567ffffffffffffffff8111610138573660238201121561013857806004013567ffffffffffffffff8111610138573660248260051b8401011161013857602435915f5b828110156100185760248160051b830101359073ffffffffffffffffffffffffffffffffffffffff8216820361013857610261856001936103b0565b01610225565b6020600319360112610138575f80808073ffffffffffffffffffffffffffffffffffffffff6102946102ef565b16349082f16102a1610353565b50156102a957005b7ff499da20000000000000000000000000000000000000000000000000000000005f5260045ffd5b6020600319360112610138576100186102e86102ef565b34906103b0565b6004359073ffffffffffffffffffffffffffffffffffffffff8216820361013857565b90601f7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0910116810190811067ffffffffffffffff8211176101a657604052565b3d156103ab573d9067ffffffffffffffff82116101a657604051916103a060207fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0601f8401160184610312565b82523d5f602084013e565b606090565b5f80809373ffffffffffffffffffffffffffffffffffffffff8294165af16103d6610353565b50156102a95756fe6080601f606138819003918201601f19168301916001600160401b03831184841017604c57808492602094604052833981010312604857516001600160a01b0381168103604857ff5b5f80fd5b634e487b7160e01b5f52604160045260245ffdfe';
