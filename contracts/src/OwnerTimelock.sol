// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

// OWNER of the registry and of every vault is OpenZeppelin's timelock; naming it here has it compiled with the rest.
// solhint-disable-next-line no-unused-import
import {TimelockController} from "@openzeppelin/contracts/governance/TimelockController.sol";
