package rebuild_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"backupmonitor/services/internal/store"
	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/projector/rebuild"
)

// The environment of a child of TestKilled.
const (
	killAtEnv   = "REBUILD_TEST_KILL_AT"
	killPathEnv = "REBUILD_TEST_PATH"
	exitThrough = 42 // of a child that was through before
)

// TestKilled kills a rebuild with kill -9 at each of its calls to the
// database, in a process of its own. Whatever the moment, the tables are as
// they were, or right; the next start removes the staging; and the next
// rebuild puts everything right.
func TestKilled(t *testing.T) {
	t.Parallel()
	l := killLog(t)
	before, after := 0, 0
	hurt, wrong, right := hurtDatabase(t, l)
	for at := 1; ; at++ {
		path := filepath.Join(t.TempDir(), "monitor.db")
		if err := os.WriteFile(path, hurt, 0o600); err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), os.Args[0])
		c.Env = append(os.Environ(), killAtEnv+"="+strconv.Itoa(at), killPathEnv+"="+path)
		out, err := c.CombinedOutput()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == exitThrough {
			break
		} else if !ok || exit.Exited() {
			t.Fatalf("step %d: %v\n%s", at, err, out)
		}
		db := open(t, path)
		if err := db.Unstage(t.Context()); err != nil {
			t.Fatal(err)
		}
		stagingGone(t, path)
		switch now := run(t, l, db, true); text(now.Tables) {
		case wrong:
			before++
		case right:
			after++
		default:
			t.Fatalf("killed at step %d it left %s", at, text(now))
		}
		run(t, l, db, false)
		agree(t, l, db)
	}
	t.Logf("killed %d times before the tables were right, %d times after", before, after)
	if before < 10 || after < 1 {
		t.Errorf("killed %d times before the tables were right and %d times after", before, after)
	}
}

func killLog(t testing.TB) *memory {
	l := &memory{}
	l.add(t, story(60)...)
	l.poison()
	return l
}

// hurtDatabase makes a file of tables that are wrong, and says what a
// comparison finds in them, and will when they are right.
func hurtDatabase(t *testing.T, l *memory) (file []byte, wrong, right string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "monitor.db")
	db := open(t, path)
	project(t, l, db, 37)
	right = text(agree(t, l, db).Tables)
	damage(t, path, "DELETE FROM D_Drive_Backup_Stat", "DELETE FROM MonitorHistory WHERE Seq > 40", "DELETE FROM MonitorQuarantine",
		"UPDATE Outlets SET IPAddress = ''")
	wrong = text(run(t, l, db, true).Tables)
	damage(t, path, "PRAGMA wal_checkpoint(TRUNCATE)") // all of it into the one file
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file, wrong, right
}

// killed is the child's work.
func killed(at string) {
	n, err := strconv.Atoi(at)
	if err == nil {
		err = killedAt(n, os.Getenv(killPathEnv))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(exitThrough)
}

func killedAt(n int, path string) error {
	t := &failing{}
	l := killLog(t)
	if t.failed != "" {
		return errors.New(t.failed)
	}
	db, err := sqlite.Open(context.Background(), path)
	if err != nil {
		return err
	}
	k := &killer{left: n}
	_, err = rebuild.Run(context.Background(), l, killable{db, k}, false, quiet)
	return errors.Join(err, db.Close())
}

// failing is a test where there is none.
type failing struct {
	testing.TB
	failed string
}

func (f *failing) Helper()           {}
func (f *failing) Fatal(args ...any) { f.failed = fmt.Sprint(args...) }

// killer kills its process at one of the steps.
type killer struct{ left int }

func (k *killer) step() {
	if k.left--; k.left == 0 {
		p, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = p.Kill()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		select {} // until it is dead
	}
}

// killable is a database whose every call is a step.
type killable struct {
	*sqlite.Store
	k *killer
}

func (x killable) Stage(ctx context.Context) (store.Staging, error) {
	x.k.step()
	s, err := x.Store.Stage(ctx)
	x.k.step()
	return killableStaging{s, x.k}, err
}

func (x killable) View(ctx context.Context, f func(context.Context, store.Tables) error) error {
	x.k.step()
	return x.Store.View(ctx, f)
}

func (x killable) Repair(ctx context.Context, plan store.Plan) error {
	x.k.step()
	err := x.Store.Repair(ctx, func(ctx context.Context, t store.Tables, put func(store.Repairs) error) error {
		err := plan(ctx, t, func(r store.Repairs) error {
			x.k.step()
			err := put(r)
			x.k.step()
			return err
		})
		x.k.step()
		return err
	})
	x.k.step() // it is through
	return err
}

type killableStaging struct {
	store.Staging
	k *killer
}

func (x killableStaging) Apply(ctx context.Context, b store.Batch) error {
	x.k.step()
	err := x.Staging.Apply(ctx, b)
	x.k.step()
	return err
}

func (x killableStaging) Close() error {
	x.k.step()
	err := x.Staging.Close()
	x.k.step()
	return err
}
