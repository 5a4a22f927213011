//! Stand-ins of Genesys Cloud and LINE, built from their contracts
