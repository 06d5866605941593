package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cloudsoda/go-smb2"

	"backupmonitor/services/internal/fleet"
)

// client is a session of the prober's library with one server, on a connection that has a deadline.
type client struct {
	ctx     context.Context
	session *smb2.Session
}

// dialects are those the tests speak; 0 lets the library offer all.
func dialects() []uint16 { return []uint16{0x0210, 0x0311} }

// connect signs in, with signing required. The session ends with the test.
func connect(t testing.TB, addr, user, password string, dialect uint16) (*client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = conn.Close() })
	session, err := signIn(ctx, conn, user, password, dialect)
	if err != nil {
		return nil, err
	}
	return &client{ctx, session.WithContext(ctx)}, nil
}

func signIn(ctx context.Context, conn net.Conn, user, password string, dialect uint16) (*smb2.Session, error) {
	dialer := &smb2.Dialer{
		Negotiator: smb2.Negotiator{RequireMessageSigning: true, SpecifiedDialect: dialect},
		Initiator:  &smb2.NTLMInitiator{User: user, Password: password},
	}
	return dialer.DialConn(ctx, conn, conn.RemoteAddr().String())
}

// list opens a share and lists a folder of it.
func (c *client) list(share, folder string) ([]os.FileInfo, error) {
	tree, err := c.session.Mount(share)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tree.Umount() }()
	return tree.WithContext(c.ctx).ReadDir(folder)
}

// outcome puts an error into words that are the same for every server: a status where there is one.
func outcome(err error) string {
	var response *smb2.ResponseError
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &response):
		return fmt.Sprintf("0x%08X", response.Code)
	case errors.Is(err, os.ErrNotExist):
		return "not found"
	case errors.Is(err, os.ErrPermission):
		return "access denied"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	return err.Error()
}

// start runs a fleet until the test ends.
func start(t testing.TB, options fleet.Options, specs ...fleet.Spec) *fleet.Fleet {
	t.Helper()
	f, err := fleet.Start(context.Background(), specs, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Errorf("close fleet: %v", err)
		}
	})
	return f
}

// one runs a single outlet with one folder on drive D.
func one(t testing.TB, source fleet.Source) *fleet.Outlet {
	t.Helper()
	return start(t, fleet.Options{}, fleet.Spec{Code: "B0001", Truth: fleet.Truth{Drives: map[string]fleet.Drive{
		fleet.DShare: {Free: 3 << 30, Total: 5 << 30, Folders: map[string]fleet.Folder{fleet.BackupFolder: {Source: source}}},
	}}}).Outlets()[0]
}

// sample is a night in the middle of nowhere, with a part of a second that SMB can tell.
func sample() time.Time { return time.Date(2026, 3, 14, 22, 5, 9, 123_456_700, time.UTC) }

// equal reports where a listing differs from what the folder holds, if it does.
func equal(got []os.FileInfo, want []fleet.File) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d files listed, want %d", len(got), len(want))
	}
	byName := map[string]os.FileInfo{}
	for _, info := range got {
		byName[info.Name()] = info
	}
	for _, file := range want {
		info, ok := byName[file.Name]
		if !ok {
			return fmt.Errorf("%q is not listed", file.Name)
		}
		modified := file.Modified.Truncate(100 * time.Nanosecond)
		if info.Size() != file.Size || !info.ModTime().Equal(modified) || info.IsDir() {
			return fmt.Errorf("%q listed with %d bytes of %s, want %d of %s", file.Name, info.Size(), info.ModTime(), file.Size, modified)
		}
	}
	return nil
}

func TestListing(t *testing.T) {
	t.Parallel()
	night := fleet.Nightly{Prefix: "DB_B0001_", Suffix: ".bak", Begin: 22 * time.Hour, Bytes: 3 << 30, Keep: 14, Seed: 7}
	many := fleet.Many{Count: 5000, Make: func(i int) fleet.File {
		return fleet.File{Name: fmt.Sprintf("file %05d.trn", i), Size: int64(i) << 20, Modified: sample().Add(time.Duration(i) * time.Second)}
	}}
	odd := fleet.Files{
		{Name: "Größe ß.bak", Size: 1, Modified: sample()}, {Name: "日本語.BAK", Size: 2, Modified: sample()},
		{Name: "🗄 store 👩‍👩‍👧.bak", Size: 3, Modified: sample()}, {Name: "e\u0301 é.bak", Size: 4, Modified: sample()},
		{Name: "empty.bak", Modified: time.Date(1999, 12, 31, 23, 59, 59, 0, time.UTC)},
		{Name: "huge.bak", Size: 1 << 45, Modified: time.Date(2107, 1, 1, 0, 0, 0, 0, time.UTC)},
	}
	for name, source := range map[string]fleet.Source{"nightly": night, "many": many, "odd": odd, "none": fleet.Files{}} {
		for _, dialect := range []uint16{0x0202, 0x0210, 0x0300, 0x0302, 0x0311, 0} {
			t.Run(fmt.Sprintf("%s/%04x", name, dialect), func(t *testing.T) {
				t.Parallel()
				o := one(t, source)
				c, err := connect(t, o.Addr(), fleet.DefaultUser, fleet.DefaultPassword, dialect)
				if err != nil {
					t.Fatal(err)
				}
				got, err := c.list(fleet.DShare, fleet.BackupFolder)
				if err != nil {
					t.Fatal(err)
				}
				truth := o.Truth()
				if err := equal(got, truth.Files(fleet.DShare, fleet.BackupFolder, time.Now())); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// TestHundredThousandFiles lists a folder that is never held in memory as a whole, in pieces.
func TestHundredThousandFiles(t *testing.T) {
	t.Parallel()
	const count = 100_000
	o := one(t, fleet.Many{Count: count, Make: func(i int) fleet.File {
		return fleet.File{Name: fmt.Sprintf("B0001_log_%06d.trn", i), Size: int64(i), Modified: sample()}
	}})
	c, err := connect(t, o.Addr(), fleet.DefaultUser, fleet.DefaultPassword, 0)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.session.Mount(fleet.DShare)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := tree.Open(fleet.BackupFolder)
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for {
		infos, err := folder.Readdir(1000)
		for _, info := range infos {
			if want := fmt.Sprintf("B0001_log_%06d.trn", seen); info.Name() != want || info.Size() != int64(seen) {
				t.Fatalf("entry %d is %s of %d bytes", seen, info.Name(), info.Size())
			}
			seen++
		}
		if err != nil || len(infos) == 0 {
			break
		}
	}
	if err := folder.Close(); err != nil || seen != count {
		t.Errorf("%d files seen, want %d; close: %v", seen, count, err)
	}
}

// TestContent reads from files of many gigabytes, which exist nowhere.
func TestContent(t *testing.T) {
	t.Parallel()
	const size = 6<<30 + 5
	o := one(t, fleet.Files{{Name: "big.bak", Size: size, Modified: sample()}, {Name: "empty.bak", Modified: sample()}})
	c, err := connect(t, o.Addr(), fleet.DefaultUser, fleet.DefaultPassword, 0)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := c.session.Mount(fleet.DShare)
	if err != nil {
		t.Fatal(err)
	}
	file, err := tree.Open(fleet.BackupFolder + `\big.bak`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	head := make([]byte, 3<<20) // more than one answer carries
	if n, err := file.ReadAt(head, 0); err != nil || n != len(head) || string(head[:5]) != "TAPE\x00" {
		t.Errorf("read %d bytes beginning %q: %v", n, head[:5], err)
	}
	if n, err := file.ReadAt(make([]byte, 100), size-5); n != 5 {
		t.Errorf("read %d bytes at the end, want 5: %v", n, err)
	}
	if info, err := file.Stat(); err != nil || info.Size() != size || info.Name() != "big.bak" || !info.ModTime().Equal(sample()) {
		t.Errorf("stat: %v %v", info, err)
	}
	if _, err := tree.Create(fleet.BackupFolder + `\new.bak`); !errors.Is(err, os.ErrPermission) {
		t.Errorf("create: %v, want it denied", err)
	}
	if err := tree.Remove(fleet.BackupFolder + `\big.bak`); !errors.Is(err, os.ErrPermission) {
		t.Errorf("remove: %v, want it denied", err)
	}
	if stat, err := tree.Statfs(""); err != nil || stat.BlockSize()*stat.FreeBlockCount() != 3<<30 || stat.BlockSize()*stat.TotalBlockCount() != 5<<30 {
		t.Errorf("space: %+v %v", stat, err)
	}
	if names, err := tree.Glob(filepath.Join(fleet.BackupFolder, "*pty*")); err != nil || len(names) != 1 {
		t.Errorf("glob: %v %v", names, err)
	}
}
