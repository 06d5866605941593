package fleet_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/sambatest"
)

// twins are an outlet and a Samba server that hold the same.
type twins struct {
	samba  *sambatest.Server
	outlet *fleet.Outlet
}

func newTwins(t testing.TB, folders map[string]fleet.Files) twins {
	t.Helper()
	samba := sambatest.Start(t, sambatest.Config{})
	root := samba.Dir(t, 0, "d$")
	drive := fleet.Drive{Folders: map[string]fleet.Folder{}}
	for path, files := range folders {
		drive.Folders[path] = fleet.Folder{Source: files}
		dir := filepath.Join(root, strings.ReplaceAll(path, `\`, "/"))
		if err := os.MkdirAll(dir, 0o750); err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			sambatest.Write(t, filepath.Join(dir, file.Name), file.Size, file.Modified)
		}
	}
	// Last, as making a file in a folder dates the folder anew. Simulated folders all are of this day.
	day := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return os.Chtimes(path, day, day)
	})
	if err != nil {
		t.Fatal(err)
	}
	f := start(t, fleet.Options{User: samba.User, Password: samba.Password},
		fleet.Spec{Code: "TWIN", Truth: fleet.Truth{Drives: map[string]fleet.Drive{"d$": drive}}})
	return twins{samba: samba, outlet: f.Outlets()[0]}
}

func sampleFolders() map[string]fleet.Files {
	folders := map[string]fleet.Files{
		"Empty": {}, `BackupFull\Archive`: {{Name: "old.bak", Size: 3, Modified: sample()}},
		"BackupFull": {
			{Name: "DB_B0001_20260314.bak", Size: 3 << 30, Modified: sample()}, {Name: "empty.bak", Modified: sample().AddDate(-20, 0, 0)},
			{Name: "Größe 日本語 🗄.BAK", Size: 4097, Modified: sample().AddDate(30, 0, 0)}, {Name: ".hidden", Size: 1, Modified: sample()},
			{Name: "no extension", Size: 1 << 33, Modified: time.Date(2026, 2, 28, 23, 59, 59, 999_999_900, time.UTC)},
			{Name: "two.dots.bak", Size: 5, Modified: sample()}, {Name: strings.Repeat("long", 60) + ".bak", Size: 6, Modified: sample()},
		},
		"Many": {},
	}
	for i := range 3000 {
		folders["Many"] = append(folders["Many"], fleet.File{Name: fmt.Sprintf("f%d.trn", i), Size: int64(i) * 997, Modified: sample().Add(time.Duration(i) * time.Second)})
	}
	return folders
}

// TestSameAsSamba makes the same calls on both servers, and expects the same of both.
func TestSameAsSamba(t *testing.T) {
	t.Parallel()
	pair := newTwins(t, sampleFolders())
	for _, dialect := range dialects() {
		t.Run(fmt.Sprintf("%04x", dialect), func(t *testing.T) {
			t.Parallel()
			samba := transcript(t, pair.samba.Addr(0), pair.samba, dialect)
			simulated := transcript(t, pair.outlet.Addr(), pair.samba, dialect)
			if len(samba) < 30 {
				t.Fatalf("only %d answers compared", len(samba))
			}
			for _, question := range slices.Sorted(maps.Keys(samba)) {
				if samba[question] != simulated[question] {
					t.Errorf("%s:\nSamba says     %.600s\nthe outlet says %.600s", question, samba[question], simulated[question])
				}
			}
		})
	}
}

// transcript is what the prober's library makes of a server's answers, in words, by question.
func transcript(t *testing.T, addr string, account *sambatest.Server, dialect uint16) map[string]string {
	t.Helper()
	said := map[string]string{}
	for _, wrong := range []string{"wrong", ""} {
		_, err := connect(t, addr, account.User, wrong, dialect)
		said["sign in with password "+wrong] = outcome(err)
	}
	_, err := connect(t, addr, "nobody-here", account.Password, dialect)
	said["sign in as a stranger"] = outcome(err)

	c, err := connect(t, addr, account.User, account.Password, dialect)
	if err != nil {
		t.Fatal(err)
	}
	for _, share := range []string{"e$", "none", "IPC$", "D$"} {
		_, err := c.session.Mount(share)
		said["mount "+share] = outcome(err)
	}
	for _, path := range []string{
		"", "BackupFull", "backupfull", `BackupFull\Archive`, "Empty", "Many", "none", `none\none`, `BackupFull\none`,
		`BackupFull\empty.bak`, `BackupFull\empty.bak\none`,
	} {
		infos, err := c.list("d$", path)
		said["list "+path] = outcome(err) + describe(infos...)
	}
	c.askAboutFiles(t, said)
	return said
}

func (c *client) askAboutFiles(t *testing.T, said map[string]string) {
	t.Helper()
	tree, err := c.session.Mount("d$")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"", "BackupFull", `BackupFull\no extension`, `BackupFull\NO EXTENSION`, `BackupFull\none`, `none\none`, `BackupFull\empty.bak\none`,
	} {
		info, err := tree.Stat(path)
		if err == nil {
			said["stat "+path] = describe(info)
		} else {
			said["stat "+path] = outcome(err)
		}
		if info == nil || info.IsDir() {
			_, err = tree.ReadFile(path)
			said["read "+path] = outcome(err)
		}
	}
	for _, pattern := range []string{
		"*", "*.bak", "*.*", "*.", "?????.bak", "*d?ts*", "e*", "none*", ".*", "*.bak.*", "*long.bak", "[a-z]*",
	} {
		names, err := tree.Glob("BackupFull/" + pattern)
		slices.Sort(names)
		said["glob "+pattern] = outcome(err) + fmt.Sprintf("%q", names)
	}
	file, err := tree.Open(`BackupFull\empty.bak`)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for _, at := range []int64{0, 1, 1 << 40} {
		n, err := file.ReadAt(make([]byte, 10), at)
		said[fmt.Sprintf("read the empty file at %d", at)] = fmt.Sprint(n, outcome(err))
	}
	_, err = tree.Create(`BackupFull\new`)
	said["create"] = outcome(err)
	said["remove"] = outcome(tree.Remove(`BackupFull\two.dots.bak`))
	said["make folder"] = outcome(tree.Mkdir("New", 0o700))
	said["make folder that is there"] = outcome(tree.Mkdir("BackupFull", 0o700))
}

// describe puts into words what must be the same on both servers.
func describe(infos ...os.FileInfo) string {
	var b strings.Builder
	slices.SortFunc(infos, func(a, b os.FileInfo) int { return strings.Compare(a.Name(), b.Name()) })
	for _, info := range infos {
		size := info.Size()
		if info.IsDir() {
			size = 0
		}
		fmt.Fprintf(&b, "\n%q dir=%t size=%d modified=%s", info.Name(), info.IsDir(), size, info.ModTime().UTC().Format(time.RFC3339Nano))
	}
	return b.String()
}
