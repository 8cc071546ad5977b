//! The events.

use super::EventReason;
use super::Writer::{self, Agent, Operator};

const fn normal(writer: Writer, reason: &'static str, meaning: &'static str) -> EventReason {
    EventReason { writer, warning: false, reason, meaning }
}

const fn warning(writer: Writer, reason: &'static str, meaning: &'static str) -> EventReason {
    EventReason { writer, warning: true, reason, meaning }
}

/// Every event reason.
pub const EVENTS: &[EventReason] = &[
    normal(Operator, "Accepted", "A program version passed every check."),
    normal(Operator, "Bound", "A node was chosen, or another one after a move."),
    normal(Operator, "MoveRequested", "The runtime is to move; its node makes the outputs safe first."),
    normal(Operator, "NodeReady", "The agent of the host renews its Lease."),
    warning(
        Operator,
        "NodeLost",
        "The agent of the host has not renewed its Lease in time; what runs there may still run.",
    ),
    warning(
        Operator,
        "CompileError",
        "The program does not compile: correct it at the place in the message.",
    ),
    warning(
        Operator,
        "TestsFailed",
        "A test of the program fails, and `spec.program.tests` is Required: the message has place and values.",
    ),
    warning(Operator, "InvalidSpec", "The spec contradicts itself or the program."),
    warning(Operator, "NotSupported", "The spec asks for what this release does not do yet."),
    warning(Operator, "NoNodeFits", "No node fits; the message says why."),
    warning(Operator, "ConfigMapNotFound", "A ConfigMap with sources is missing: create it."),
    warning(Operator, "KeyNotFound", "A ConfigMap lacks a key with a source: add it."),
    warning(Operator, "NoSources", "A ConfigMap has no source file."),
    warning(Operator, "ReadConfigMap", "The operator could not read a ConfigMap; it tries again."),
    warning(Operator, "CompilerFailed", "The compiler itself failed: please report the program."),
    warning(Operator, "UpdateStatus", "The operator could not write the status; it tries again."),
    warning(Operator, "RemoveFinalizer", "The operator could not let a deleted runtime go; it tries again."),
    normal(Operator, "SubscriptionAccepted", "Every target of a subscription is free."),
    warning(Operator, "TargetConflict", "Something else writes a target; the message names both."),
    warning(Operator, "TargetNotFound", "The program has no such variable, or one of another type."),
    warning(Operator, "SelfSubscription", "A runtime would subscribe to itself."),
    warning(Operator, "InvalidDeadband", "Only numbers have a deadband."),
    warning(Operator, "NameConflict", "Several runtimes announce one name; the message names the others."),
    warning(Operator, "RemovePeer", "The operator could not remove a peer that nobody sees; it tries again."),
    normal(Agent, "KeeperStarted", "A keeper was started for the runtime."),
    normal(Agent, "KeeperAdopted", "An agent that restarted found the keeper running."),
    warning(Agent, "KeeperLost", "The keeper ended by itself; the next one first makes the outputs safe."),
    normal(Agent, "ProgramLoaded", "A version starts, with initial values or those that could be kept."),
    normal(Agent, "OnlineChange", "A version took over between two scans; the message counts the variables."),
    warning(Agent, "ProgramRefused", "The node refuses an accepted version; the one before it runs on."),
    warning(
        Agent,
        "StoredProgramDamaged",
        "The copy on the disk of the node is damaged and was set aside: check the disk.",
    ),
    normal(Agent, "OutputsLive", "The program drives the outputs."),
    normal(Agent, "OutputsSafe", "Every device confirmed the safe values."),
    warning(Agent, "OutputsUnconfirmed", "Devices have not confirmed their safe values: see to the machine."),
    warning(Agent, "OutputsAbandoned", "A person gave up on devices that did not confirm, by annotation."),
    warning(Agent, "DeviceUnreachable", "A driver lost its device, or cannot reach it; the scan goes on."),
    normal(Agent, "DeviceBack", "A driver exchanges data again."),
    warning(Agent, "Faulted", "The program stopped with a fault; the message has its place."),
    warning(Agent, "Halted", "The program stands still after a fault."),
    warning(Agent, "SafeHalted", "The program stands still until it is acknowledged."),
    normal(
        Agent,
        "VariableWritten",
        "Somebody wrote a variable by the console; the message says who, which, and its value before and after.",
    ),
    normal(Agent, "Acknowledged", "A person ended a halt, by annotation."),
    warning(
        Agent,
        "NotAcknowledged",
        "A halt did not end although a person acknowledged it: the message says why.",
    ),
    warning(Agent, "Restarting", "The program will start again by itself."),
    normal(Agent, "Recovered", "The program scans again after a fault."),
    normal(Agent, "Stopped", "The program stands still as asked."),
    normal(Agent, "Paused", "The program holds its values as asked."),
    normal(Agent, "Resumed", "The program scans again as asked."),
    normal(Agent, "Stopping", "The object is deleted or moves: outputs go to their safe values."),
    warning(
        Agent,
        "ListenFailed",
        "An endpoint of the mesh cannot be opened; the message has its address and why.",
    ),
    normal(Agent, "Paired", "Two agents trust each other from now on."),
    warning(Agent, "PairingFailed", "A claim came to nothing; the message says from where and why."),
    normal(
        Agent,
        "Unpaired",
        "A pairing was deleted: its peer is trusted no more, connections with it ended.",
    ),
    normal(Agent, "Released", "Outputs are confirmed safe and the keeper has ended."),
];
