//! The conditions of hosts and runtimes.

use super::ConditionType;
use super::Writer::{Agent, Operator};
use crate::{edge_node, plc_runtime::conditions as plc};

const KEEPER_UNAVAILABLE: (&str, &str, &str) = (
    "Unknown",
    "KeeperUnavailable",
    "The keeper has not been started, or does not answer; the message says why. The agent starts it again by itself.",
);

/// Theirs, in the order in which a runtime comes to life.
pub(super) const CONDITIONS: &[ConditionType] = &[
    ConditionType {
        kind: "EdgeNode",
        type_: edge_node::conditions::READY,
        writer: Operator,
        meaning: "True while the agent of the host renews its Lease.",
        reasons: &[
            ("True", "AgentAlive", "The agent renews its Lease."),
            (
                "Unknown",
                "LeaseLapsed",
                "The agent has not renewed its Lease in time. Its programs may still run: nothing bound to it is moved. \
                 Look at the host; if it is dead for good, declare it fenced (`spec.fencing: Fenced`).",
            ),
            (
                "Unknown",
                "NoLease",
                "The agent has not made its Lease yet. It is starting, or may not write Leases.",
            ),
        ],
    },
    ConditionType {
        kind: "PlcRuntime",
        type_: plc::RESOLVED_REFS,
        writer: Operator,
        meaning: "True when everything that the spec refers to exists.",
        reasons: &[
            ("True", "ResolvedRefs", "Every source was found."),
            (
                "False",
                "ConfigMapNotFound",
                "A ConfigMap of `spec.program.sources` does not exist: create it.",
            ),
            (
                "False",
                "KeyNotFound",
                "A ConfigMap lacks the key that is named: add the key, or correct its name.",
            ),
            ("False", "NoSources", "A ConfigMap that is named whole has no source file in it: add one."),
        ],
    },
    ConditionType {
        kind: "PlcRuntime",
        type_: plc::ACCEPTED,
        writer: Operator,
        meaning: "True when the spec is legal, the program compiles and a node fits. A version that is refused never \
                  stops the one before it.",
        reasons: &[
            ("True", "Accepted", "The message names the program version that may run."),
            (
                "False",
                "CompileError",
                "The program does not compile: the message has `file:line:column`. Correct it there.",
            ),
            ("False", "InvalidSpec", "The spec contradicts itself or the program: the message says where."),
            (
                "False",
                "TestsFailed",
                "A test in the sources fails, or there is none, and `spec.program.tests` is Required: the message has \
                 `file:line:column` and the values.",
            ),
            ("False", "NotSupported", "The spec asks for what this release does not do yet: leave it out."),
            ("False", "NoNodeFits", "No node fits; the message counts the nodes by what each lacks."),
            ("Unknown", "SourcesMissing", "The program cannot be checked before ResolvedRefs is True."),
        ],
    },
    ConditionType {
        kind: "PlcRuntime",
        type_: plc::PROGRAM_LOADED,
        writer: Agent,
        meaning: "True when the accepted program is the one that is loaded.",
        reasons: &[
            ("True", "Loaded", "The message names the version."),
            ("False", "NotLoaded", "No program is loaded yet; the keeper is starting it."),
            (
                "False",
                "CompileError",
                "The compiler of the node refuses the program: the message has `file:line:column`.",
            ),
            (
                "False",
                "MigrationRefused",
                "Variables cannot be carried over; `status.change.refused` lists them. Change their types back, or let the program restart.",
            ),
            (
                "False",
                "InvalidIo",
                "The node cannot use the I/O as configured: the message says which channel.",
            ),
            (
                "False",
                "InvalidMesh",
                "A variable of `spec.mesh.publish` is not in the program, or cannot be given away: the message names it.",
            ),
            (
                "False",
                "Unsupported",
                "The spec asks for what this agent cannot do: update the agent, or leave it out.",
            ),
            (
                "False",
                "RunnerFailed",
                "The runner ended while it prepared the program: the message says how.",
            ),
            KEEPER_UNAVAILABLE,
        ],
    },
    ConditionType {
        kind: "PlcRuntime",
        type_: plc::RUNNING,
        writer: Agent,
        meaning: "True when the program scans, or stands as `spec.run` asks.",
        reasons: &[
            (
                "True",
                "Scanning",
                "The program scans. With status False: it scans although `spec.run` asks otherwise, for a moment.",
            ),
            (
                "True",
                "Stopped",
                "The program stands still as asked. With status False: it is about to start.",
            ),
            (
                "True",
                "Paused",
                "The program holds its values as asked. With status False: it is about to go on.",
            ),
            ("False", "Starting", "The keeper starts the program."),
            (
                "False",
                "Faulted",
                "The program stopped with a fault and outputs are safe: see `status.lastFault`, then correct the program and apply it, or remove the cause and acknowledge it as the message says.",
            ),
            (
                "False",
                "SafeHalted",
                "The program stands, also after a restart, until a person acknowledges it: see `status.lastFault`, remove the cause, then annotate the object as the message says.",
            ),
            ("False", "Restarting", "The program failed and will start again by itself."),
            (
                "False",
                "Stopping",
                "Outputs go to their safe values because the object is deleted or moves; the message names devices that have not confirmed.",
            ),
            KEEPER_UNAVAILABLE,
        ],
    },
    ConditionType {
        kind: "PlcRuntime",
        type_: plc::IO_HEALTHY,
        writer: Agent,
        meaning: "True when every driver reaches its device. Ready asks for it only where there are drivers.",
        reasons: &[
            ("True", "Operational", "Every driver exchanges data."),
            ("True", "NoDrivers", "The spec names no drivers."),
            ("False", "Connecting", "The drivers that are named are connecting."),
            (
                "False",
                "DeviceUnreachable",
                "The message names driver and error: look at cable, address and power of the device. The scan goes on with substitute values.",
            ),
            KEEPER_UNAVAILABLE,
        ],
    },
    ConditionType {
        kind: "PlcRuntime",
        type_: plc::REALTIME_QUALIFIED,
        writer: Agent,
        meaning: "True when the node grants what `spec.realtime` prefers. Ready does not ask for it.",
        reasons: &[
            ("True", "Granted", "The scan has a real-time priority and locked memory."),
            ("True", "NotRequested", "`spec.realtime.mode` is Off."),
            (
                "False",
                "Refused",
                "The message says what the system refused: grant the agent `CAP_SYS_NICE` and `CAP_IPC_LOCK`.",
            ),
            ("Unknown", "NotStarted", "The runner has not asked yet."),
            KEEPER_UNAVAILABLE,
        ],
    },
    ConditionType {
        kind: "PlcRuntime",
        type_: plc::RETAIN_RESTORED,
        writer: Agent,
        meaning: "Reserved for retained values; not written yet.",
        reasons: &[],
    },
    ConditionType {
        kind: "PlcRuntime",
        type_: plc::READY,
        writer: Operator,
        meaning: "The summary: True when ResolvedRefs, Accepted, ProgramLoaded, Running and, with drivers, IoHealthy are \
                  True for this generation and the accepted version runs. It takes the reason of the first that is not, \
                  or that of Running when all are; and these of its own:",
        reasons: &[
            ("False", "NotBound", "No node has been chosen yet."),
            (
                "False",
                "Moving",
                "The runtime moves to another node; it starts there when the old one has let go.",
            ),
            (
                "False",
                "WaitingForAgent",
                "The node has not reported on this generation yet: moments, unless its agent is away.",
            ),
            (
                "Unknown",
                "NodeLost",
                "The node does not renew its Lease or is gone; what runs there may still run. See the EdgeNode.",
            ),
        ],
    },
];
