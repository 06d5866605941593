-- What the services need of the database, as roles. Run it in the database of
-- DB_DATABASE when the tables are there, that is after the first start of a
-- projector (or of `backup-monitor up`), and again after an upgrade. It may be
-- run any number of times.
--
-- The projector makes and migrates the tables: its login needs db_owner, or
-- db_ddladmin with db_datareader and db_datawriter. `backup-monitor up` has one
-- login for everything.
--
-- The gateway reads the tables, and writes users, tokens of programs, and what
-- is to be told of both in the audit trail:
--
--   CREATE LOGIN backup_monitor_gateway WITH PASSWORD = '...';
--   CREATE USER backup_monitor_gateway FOR LOGIN backup_monitor_gateway;
--   ALTER ROLE backup_monitor_gateway_role ADD MEMBER backup_monitor_gateway;
IF DATABASE_PRINCIPAL_ID('backup_monitor_gateway_role') IS NULL
    CREATE ROLE backup_monitor_gateway_role;
GO
-- The projections, to read.
GRANT SELECT ON dbo.D_Drive_Backup_Stat TO backup_monitor_gateway_role;
GRANT SELECT ON dbo.IB_Storage_Backup_Stat TO backup_monitor_gateway_role;
GRANT SELECT ON dbo.Outlets TO backup_monitor_gateway_role;
GRANT SELECT ON dbo.MonitorSchema TO backup_monitor_gateway_role;
GRANT SELECT ON dbo.MonitorCheckpoint TO backup_monitor_gateway_role;
GRANT SELECT ON dbo.MonitorStat TO backup_monitor_gateway_role;
GRANT SELECT ON dbo.MonitorDay TO backup_monitor_gateway_role;
GRANT SELECT ON dbo.MonitorOutlet TO backup_monitor_gateway_role;
GRANT SELECT ON dbo.MonitorHistory TO backup_monitor_gateway_role;
GRANT SELECT ON dbo.MonitorQuarantine TO backup_monitor_gateway_role;
GO
-- Users and tokens, to write. None is ever deleted.
GRANT SELECT, INSERT, UPDATE ON dbo.UserManager TO backup_monitor_gateway_role;
GRANT SELECT, INSERT, UPDATE ON dbo.MonitorUser TO backup_monitor_gateway_role;
GRANT SELECT, INSERT, UPDATE ON dbo.MonitorUserEpoch TO backup_monitor_gateway_role;
GRANT SELECT, INSERT, UPDATE ON dbo.MonitorAPIToken TO backup_monitor_gateway_role;
GO
-- Audit events on their way to the log.
GRANT SELECT, INSERT, UPDATE, DELETE ON dbo.MonitorOutbox TO backup_monitor_gateway_role;
GO
