package fleet_test

import (
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/cloudsoda/go-smb2"

	"backupmonitor/services/internal/fleet"
)

// signIn opens a session with the prober's library, signing required.
func signIn(t testing.TB, addr, user, password string, dialect uint16) (*smb2.Session, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	dialer := &smb2.Dialer{
		Negotiator: smb2.Negotiator{RequireMessageSigning: true, SpecifiedDialect: dialect},
		Initiator:  &smb2.NTLMInitiator{User: user, Password: password},
	}
	session, err := dialer.DialConn(ctx, conn, addr)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	return session, nil
}

// list opens a share and lists a folder of it.
func list(t testing.TB, session *smb2.Session, share, folder string) ([]os.FileInfo, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tree, err := session.WithContext(ctx).Mount(share)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tree.Umount() }()
	return tree.WithContext(ctx).ReadDir(folder)
}

func TestClientSmoke(t *testing.T) {
	f, err := fleet.Start(t.Context(), []fleet.Spec{{Code: "B0001", Truth: fleet.Truth{
		Drives: map[string]fleet.Drive{"d$": {Free: 1 << 40, Total: 2 << 40, Folders: map[string]fleet.Folder{
			"BackupFull": {Source: fleet.Nightly{Prefix: "DB_B0001_", Suffix: ".bak", Begin: time.Hour, Bytes: 1 << 30, Keep: 14}},
		}}},
	}}}, fleet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	user, password := f.Account()
	for _, dialect := range []uint16{0x202, 0x210, 0x300, 0x302, 0x311} {
		s, err := signIn(t, f.Outlets()[0].Addr(), user, password, dialect)
		if err != nil {
			t.Fatalf("%x %v", dialect, err)
		}
		infos, err := list(t, s, "d$", "BackupFull")
		if err != nil {
			t.Fatalf("%x %v", dialect, err)
		}
		if len(infos) != 14 {
			t.Fatal(len(infos))
		}
		t.Log(dialect, infos[0].Name(), infos[0].Size(), infos[0].ModTime())
		_ = s.Logoff()
	}
	t.Log(f.Outlets()[0].Stats())
}
