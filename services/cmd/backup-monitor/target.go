package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"backupmonitor/services/internal/store/sqlite"
	"backupmonitor/services/internal/store/sqlserver"
	"backupmonitor/services/projector/rebuild"
)

// replayTarget is a database to be made; finish closes it, and takes it away
// again where it is not whole and is a file of ours.
type replayTarget struct {
	rebuild.Empty
	name   string // as it is shown: without user and password
	finish func(whole bool) error
}

// openTarget opens the database of --into. Every kind of database has its case
// here. No error of it shows the password that the address may hold.
func openTarget(ctx context.Context, dsn string) (replayTarget, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return replayTarget{}, errors.New("--into: it is no address of a database, as sqlite:///path/file.db") // err has the password
	}
	switch u.Scheme {
	case "sqlite":
		path := u.Host + u.Path // sqlite://file.db is beside us, sqlite:///file.db at the root
		if u.Opaque != "" || path == "" {
			return replayTarget{}, errors.New("--into: it names no file; write it as sqlite:///path/file.db")
		}
		if runtime.GOOS == "windows" && strings.HasPrefix(path, "/") && filepath.VolumeName(path[1:]) != "" {
			path = path[1:] // sqlite:///C:/file.db
		}
		return sqliteTarget(ctx, filepath.FromSlash(path))
	case "sqlserver":
		return sqlServerTarget(ctx, u)
	}
	return replayTarget{}, fmt.Errorf("--into: this version makes no database of the kind %q; use sqlite:///path/file.db or sqlserver://user:password@host?database=name", u.Scheme)
}

// sqliteTarget makes a file under a name that nobody else uses, which gets its
// own when it is whole.
func sqliteTarget(ctx context.Context, path string) (replayTarget, error) {
	if _, err := os.Lstat(path); err == nil {
		return replayTarget{}, fmt.Errorf("--into: %s is there already: name a file that is not", path)
	}
	part := path + "." + rand.Text()[:8] + ".part"
	db, err := sqlite.Open(ctx, part)
	if err != nil {
		return replayTarget{}, err
	}
	return replayTarget{Empty: db, name: path, finish: func(whole bool) error {
		if err := db.Close(); err != nil || !whole {
			return errors.Join(err, sqlite.Remove(part))
		}
		return claim(part, path)
	}}, nil
}

// claim gives a file its name, unless somebody else has that by now. After an
// error neither is left.
func claim(part, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		err = fmt.Errorf("%s has come to be meanwhile, and stays as it is: name a file that is not there", path)
	}
	if err != nil {
		return errors.Join(err, sqlite.Remove(part))
	}
	if err := errors.Join(f.Close(), os.Rename(part, path)); err != nil {
		return errors.Join(err, os.Remove(path), sqlite.Remove(part))
	}
	return nil
}

// sqlServerTarget fills a database that is there and has no table yet.
func sqlServerTarget(ctx context.Context, u *url.URL) (replayTarget, error) {
	database := u.Query().Get("database")
	if u.Host == "" || database == "" {
		return replayTarget{}, errors.New("--into: it names no host or no database; write it as sqlserver://user:password@host?database=name")
	}
	db, err := sqlserver.OpenDSN(u.String())
	if err != nil {
		return replayTarget{}, err
	}
	name := fmt.Sprintf("database %s on %s", database, u.Host+u.Path)
	names, err := db.Tables(ctx)
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("--into: %s has tables already (as %s): make an empty one for this", name, plain(names[0]))
	}
	if err != nil {
		return replayTarget{}, errors.Join(err, db.Close())
	}
	// A replay folds into the database itself and stages nothing.
	into := db.Rebuilder(sqlite.NewStager(filepath.Join(os.TempDir(), "backup-monitor-"+rand.Text())))
	return replayTarget{Empty: into, name: name, finish: func(whole bool) error {
		err := db.Close()
		if !whole {
			err = errors.Join(err, fmt.Errorf("%s may hold a part of it: drop that database before you use its name again", name))
		}
		return err
	}}, nil
}
