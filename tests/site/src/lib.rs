//! Tests of one site: an operator and several agents at one API server, each with its real rights.
