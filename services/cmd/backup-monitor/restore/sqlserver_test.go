package restore_test

import (
	"strings"
	"testing"

	"backupmonitor/events"
	"backupmonitor/services/cmd/backup-monitor/restore"
	"backupmonitor/services/internal/natstest"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlserver"
	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
)

// TestCollationThatConflates users of the backup: a database that takes é for e
// holds the first of them, and the other is named, also when the restore is
// repeated.
func TestCollationThatConflates(t *testing.T) {
	t.Parallel()
	dsn := sqlservertest.Database(t)
	sqlservertest.Exec(t, dsn, `CREATE TABLE UserManager (UserID NVARCHAR(20) COLLATE Latin1_General_CI_AI NOT NULL PRIMARY KEY, UserName NVARCHAR(100),
		Designation NVARCHAR(100), UserType CHAR(1), Password NVARCHAR(255), Status CHAR(1), Avatar NVARCHAR(255), LoginFalseAttempt INT, LoginActiveTime DATETIME)`)
	db, err := sqlserver.OpenDSN(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	attach, err := restore.Attachments(restore.Access{Users: []store.User{{ID: "rene", Type: "A", Active: true}, {ID: "René", Type: "S"}}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := natstest.Start(t)
	if _, _, err := s.Log.Append(t.Context(), events.ScanRequested{ScanID: "a"}); err != nil {
		t.Fatal(err)
	}
	backup := copiedWith(t, s, 1, attach)
	for range 2 {
		o := options(t, backup)
		o.Database = db
		r, err := restore.Into(t.Context(), o)
		if err != nil || r.Users != 1 || r.Kept || len(r.LeftOut) != 1 || !strings.HasPrefix(r.LeftOut[0], `Left out: user "René" of UserManager: `) {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	if u, err := db.User(t.Context(), "rene"); err != nil || u.Type != "A" {
		t.Errorf("%+v, %v", u, err)
	}
}
