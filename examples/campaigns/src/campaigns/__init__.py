"""The campaign API and its Control Panel, on the Jobs system.

The database decides every right. This application logs in as `authenticator`, takes the caller's role and claims for
one transaction, and calls the functions of the schema.
"""
