//! The conditions of the mesh: peers, pairings, subscriptions.

use super::ConditionType;
use super::Writer::{Agent, Operator};
use crate::mesh_peer::conditions as peer;
use crate::mesh_subscription::conditions as subscription;
use crate::pairing::conditions as pairing;

/// Theirs, in the order in which a peer becomes of use.
pub(super) const CONDITIONS: &[ConditionType] = &[
    ConditionType {
        kind: "MeshPeer",
        type_: peer::NAME_UNIQUE,
        writer: Operator,
        meaning: "True when no other peer, and no runtime of this site, has the same service name.",
        reasons: &[
            ("True", "NameUnique", "Nothing else has the name."),
            (
                "False",
                "NameConflict",
                "The message names the others. Give each runtime a `spec.discovery.serviceName` of its own; if you do not \
                 know one of them, somebody may be posing as the other. Subscriptions stay with the one that is trusted.",
            ),
        ],
    },
    ConditionType {
        kind: "MeshPeer",
        type_: peer::TRUSTED,
        writer: Agent,
        meaning: "True when a pairing pins the key that the peer shows.",
        reasons: &[
            ("True", "Paired", "The key is the one that was paired."),
            ("False", "NotPaired", "Pair the two agents: offer a code on one side, claim it on the other."),
            (
                "False",
                "RevokedByPeer",
                "The other side deleted its Pairing. Delete this side's too, and pair again if that was a mistake.",
            ),
            (
                "False",
                "KeyMismatch",
                "The peer shows another key than the one that was paired: it was set up anew, or somebody else has its \
                 address. Make sure which, then delete the Pairing and pair again.",
            ),
            (
                "True",
                "CertificateExpired",
                "The key is the right one, but its certificate has expired: the peer's agent cannot reach its API server. \
                 With status False the 180 days of grace are over.",
            ),
        ],
    },
    ConditionType {
        kind: "MeshPeer",
        type_: peer::REACHABLE,
        writer: Agent,
        meaning: "True when the peer is connected or its announcement is seen.",
        reasons: &[
            ("True", "Connected", "There is a connection to it."),
            ("True", "Seen", "Its announcement is seen; nothing asks for a connection."),
            (
                "False",
                "NotSeen",
                "Its announcement has ended: the runtime stopped, or multicast does not reach this node.",
            ),
            (
                "False",
                "DialFailed",
                "The message has address and error: look at the network, and whether UDP passes the firewalls.",
            ),
        ],
    },
    ConditionType {
        kind: "MeshPeer",
        type_: peer::READY,
        writer: Operator,
        meaning: "The summary: True when the others are. It takes the reason of the first that is not, or that of \
                  Reachable when all are; and this of its own:",
        reasons: &[("Unknown", "WaitingForAgent", "No agent has reported on the peer yet.")],
    },
    ConditionType {
        kind: "Pairing",
        type_: pairing::APPROVED,
        writer: Agent,
        meaning: "True when the agent may act on the pairing.",
        reasons: &[
            ("True", "Approved", "`spec.approval` is Approved."),
            (
                "False",
                "AwaitingApproval",
                "Somebody with the verb `approve` on pairings must set `spec.approval` to Approved.",
            ),
        ],
    },
    ConditionType {
        kind: "Pairing",
        type_: pairing::PAIRED,
        writer: Agent,
        meaning: "True when both sides have pinned each other's key.",
        reasons: &[
            ("True", "Paired", "Both sides trust each other."),
            ("False", "AwaitingClaim", "The offer is open: claim `status.code` on the other side."),
            ("False", "Claiming", "The other side is being asked."),
            (
                "False",
                "OneSided",
                "This side has pinned the key, the other has not confirmed that it did. It does so when it connects; if it \
                 does not, delete both Pairings and pair again.",
            ),
            (
                "False",
                "WrongCode",
                "The code is not the one that is offered, or somebody sits between the two sides. Look at the code; if it \
                 is right, do not try again before you know the network.",
            ),
            (
                "False",
                "BadCheckDigit",
                "The code has a wrong digit, or two are swapped. No attempt was used up: claim again.",
            ),
            ("False", "Expired", "The time of the offer is over: make a new one."),
            (
                "False",
                "TooManyAttempts",
                "Three wrong codes ended the offer. The events say from where they came; then make a new one.",
            ),
            (
                "False",
                "Locked",
                "Offers were ended by wrong codes: the agent takes no other for a while, which the message says.",
            ),
            ("False", "AgentRestarted", "A code does not outlive its agent: make a new offer."),
            (
                "False",
                "PeerUnreachable",
                "The other side does not answer at the address in the message; it is tried again.",
            ),
            ("False", "NoOffer", "The other side has no open offer: make one there, then claim again."),
        ],
    },
    ConditionType {
        kind: "MeshSubscription",
        type_: subscription::ACCEPTED,
        writer: Operator,
        meaning: "True when every target is a variable of the program that nothing else writes.",
        reasons: &[
            ("True", "Accepted", "The agent may serve it."),
            (
                "False",
                "TargetConflict",
                "Something else writes the target: another entry, an input, a constant, an output. The message names both.",
            ),
            (
                "False",
                "TargetNotFound",
                "The program has no such variable, or one of another type than `quality` and `age` need.",
            ),
            ("False", "SelfSubscription", "The runtime would subscribe to itself: assign in the program."),
            (
                "False",
                "InvalidDeadband",
                "Only numbers have a deadband: leave it out, or give it to the parts that are numbers.",
            ),
            (
                "Unknown",
                "ProgramUnknown",
                "The targets cannot be checked before the program of the runtime compiles.",
            ),
        ],
    },
    ConditionType {
        kind: "MeshSubscription",
        type_: subscription::RESOLVED_REFS,
        writer: Agent,
        meaning: "True when every publisher is known and trusted. While the runtime is on no node, the operator writes it.",
        reasons: &[
            ("True", "ResolvedRefs", "Every publisher was found."),
            ("False", "PeerNotFound", "No MeshPeer has that service name: see `kubectl get mpeer`."),
            (
                "False",
                "AmbiguousPeer",
                "Several trusted peers have that service name: give them names of their own.",
            ),
            (
                "False",
                "PeerNotTrusted",
                "The peer is not paired with the agent of this node: pair them. Of a runtime of the own site: this node has no certificate yet; the message says why.",
            ),
            (
                "False",
                "NamespaceNotAllowed",
                "`spec.allowedNamespaces` of the MeshPeer does not have this namespace.",
            ),
            (
                "False",
                "RuntimeNotFound",
                "This namespace has no runtime of that name, or it is on no node yet.",
            ),
        ],
    },
    ConditionType {
        kind: "MeshSubscription",
        type_: subscription::COMPATIBLE,
        writer: Agent,
        meaning: "True when the publishers accepted every entry.",
        reasons: &[
            ("True", "Compatible", "Every entry is served."),
            (
                "False",
                "NotPublished",
                "The publisher has no such variable in `spec.mesh.publish`, or not for this peer.",
            ),
            ("False", "TypeMismatch", "The two variables have different types; the message has both."),
            (
                "False",
                "TimeoutBelowInterval",
                "The timeout is shorter than the publisher's interval: raise it.",
            ),
            ("False", "RateExceeded", "The publisher would send more than it may: ask for longer intervals."),
            ("False", "LimitExceeded", "A limit of the publisher is reached; the message says which."),
            ("Unknown", "NotNegotiated", "The publisher has not been asked yet."),
        ],
    },
    ConditionType {
        kind: "MeshSubscription",
        type_: subscription::CONNECTED,
        writer: Agent,
        meaning: "True when there is a connection to every publisher.",
        reasons: &[
            ("True", "Connected", "All are connected."),
            (
                "False",
                "Dialing",
                "The message names the publishers and why the last attempt failed; it goes on trying.",
            ),
            (
                "False",
                "RevokedByPeer",
                "The other side deleted its Pairing, and is not called any more: pair again, or delete this.",
            ),
        ],
    },
    ConditionType {
        kind: "MeshSubscription",
        type_: subscription::FRESH,
        writer: Agent,
        meaning: "True when every value was confirmed within its timeout.",
        reasons: &[
            ("True", "AllFresh", "No value is stale."),
            ("False", "Stale", "The message counts the stale entries: their values are as `onStale` says."),
            (
                "False",
                "NeverReceived",
                "Entries have had no value since the start: they hold their initial values.",
            ),
            ("False", "PublisherStopped", "A publisher's program is stopped or faulted: see there."),
        ],
    },
    ConditionType {
        kind: "MeshSubscription",
        type_: subscription::READY,
        writer: Operator,
        meaning: "The summary: True when the others are. It takes the reason of the first that is not, or that of Fresh \
                  when all are; and this of its own:",
        reasons: &[("Unknown", "WaitingForAgent", "The node has not reported on the subscription yet.")],
    },
];
