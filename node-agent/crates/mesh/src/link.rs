//! Connections between agents.
