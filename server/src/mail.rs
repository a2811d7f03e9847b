//! Mail through lettre: to a folder of `.eml` files, or to a real server.
