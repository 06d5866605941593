package sqlserver_test

import (
	"crypto/rand"
	"errors"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"backupmonitor/events"
	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlserver/sqlservertest"
)

// TestGrants: with the rights of the script the gateway's login does all that a
// gateway does, and nothing else.
func TestGrants(t *testing.T) {
	t.Parallel()
	dsn := sqlservertest.Database(t)
	owner := open(t, dsn)
	if err := owner.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	look := store.Look{
		EventID: "e", Seq: 1, Stored: time.Now(), Mode: events.DDrive, Outlet: "OUT001", ScanDate: "2025-03-01", Status: events.Successful,
		Cause: events.CauseOK, Conclusive: true, Evidence: events.EvidenceFull,
	}
	cp := store.Checkpoint{Stream: "s", Seq: 1}
	outlet := store.Outlet{Code: "OUT001", Address: "192.0.2.1", Active: true, Source: events.SourceUser, Seq: 1}
	if err := owner.Apply(t.Context(), store.Batch{New: cp, Looks: []store.Look{look}, Outlets: []store.Outlet{outlet}}); err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("../../../../deploy/sqlserver/grants.sql")
	if err != nil {
		t.Fatal(err)
	}
	statements := strings.Split(string(script), "\nGO\n")
	for range 2 {
		sqlservertest.Exec(t, dsn, statements[:len(statements)-1]...)
	}
	login, password := "gw_"+rand.Text(), "Aa1-"+rand.Text()
	sqlservertest.Exec(t, sqlservertest.Server(t), "CREATE LOGIN "+login+" WITH PASSWORD = '"+password+"'")
	t.Cleanup(func() { sqlservertest.Exec(t, sqlservertest.Server(t), "DROP LOGIN "+login) })
	sqlservertest.Exec(t, dsn, "CREATE USER "+login+" FOR LOGIN "+login, "ALTER ROLE backup_monitor_gateway_role ADD MEMBER "+login)
	t.Cleanup(func() { sqlservertest.Exec(t, dsn, "DROP USER "+login) })
	g := open(t, sqlservertest.With(t, dsn, func(u *url.URL) { u.User = url.UserPassword(login, password) }))

	q := store.Query{Mode: events.DDrive}
	rows := 0
	calls := map[string]error{
		"ping": g.Ping(t.Context()),
		"rows": g.Rows(t.Context(), q, func(store.Row) error { rows++; return nil }),
		"past": g.History(t.Context(), q, func(store.Look) error { rows++; return nil }),
		"add":  g.AddUser(t.Context(), store.User{ID: "Jo", Type: "A", PasswordHash: "hash", Active: true}),
	}
	_, calls["checkpoint"] = g.Checkpoint(t.Context())
	_, calls["latest"] = g.LatestScanDate(t.Context(), events.DDrive, look.ScanDate)
	_, calls["summary"] = g.Summary(t.Context(), q)
	_, calls["outlets"] = g.ActiveOutlets(t.Context())
	_, calls["quarantine"] = g.Quarantine(t.Context(), 10, 10)
	_, calls["seqs in quarantine"] = g.QuarantinedSeqs(t.Context(), 10, 10)
	_, calls["user"] = g.User(t.Context(), "jo")
	_, calls["count"] = g.CountUsers(t.Context())
	_, calls["failed"] = g.SignInFailed(t.Context(), "jo", func(int) store.Note { return note("failed") })
	_, calls["signed in"] = g.SignedIn(t.Context(), "jo", time.Now(), 5)
	_, calls["change"] = g.ChangeUser(t.Context(), "jo", func(u *store.User) ([]store.Note, error) {
		u.Name, u.PasswordHash = "Jo Doe", "another"
		return nil, nil
	})
	_, calls["users"] = g.Users(t.Context())
	token := store.APIToken{ID: "a", Name: "Wall", Scope: "display", Hash: strings.Repeat("ab", 32), CreatedBy: "Jo", CreatedAt: time.Now()}
	calls["make a token"] = g.AddAPIToken(t.Context(), token, note("made"))
	_, calls["token"] = g.APIToken(t.Context(), "a")
	_, calls["tokens"] = g.APITokens(t.Context())
	calls["use a token"] = g.APITokenUsed(t.Context(), "a", time.Now(), "192.0.2.1")
	calls["revoke a token"] = g.RevokeAPIToken(t.Context(), "a", time.Now())
	calls["put a note twice"] = errors.Join(g.PutNote(t.Context(), note("a")), g.PutNote(t.Context(), note("a")))
	_, calls["outbox"] = g.Outbox(t.Context(), time.Now(), 10)
	calls["drop a note"] = g.DropNotes(t.Context(), "a", "made", "failed")
	calls["migrate where there is nothing to do"] = g.Migrate(t.Context())
	for name, err := range calls {
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if rows != 2 {
		t.Errorf("%d rows and looks, want 1 of each", rows)
	}
	err = g.Apply(t.Context(), store.Batch{Old: cp, New: store.Checkpoint{Stream: "s", Seq: 2}})
	if err == nil || errors.Is(err, store.ErrFenced) {
		t.Errorf("the gateway moved the checkpoint: %v", err)
	}
	over := sqlservertest.With(t, dsn, func(u *url.URL) { u.User = url.UserPassword(login, password) })
	for _, forbidden := range []string{
		"DELETE FROM dbo.UserManager", "DELETE FROM dbo.MonitorAPIToken", "DELETE FROM dbo.D_Drive_Backup_Stat", "UPDATE dbo.Outlets SET ActiveDepot = 'N'",
		"UPDATE dbo.MonitorCheckpoint SET Seq = 9", "INSERT INTO dbo.MonitorSchema (Version) VALUES (99)", "CREATE TABLE dbo.Mine (ID INT)",
		"DROP TABLE dbo.MonitorHistory",
	} {
		if err := sqlservertest.Try(over, forbidden); err == nil {
			t.Errorf("the gateway may: %s", forbidden)
		}
	}
}

func note(id string) store.Note {
	return store.Note{Audited: events.Audited{ID: id, Kind: events.UserChanged, Actor: "Jo", At: time.Now()}}
}
