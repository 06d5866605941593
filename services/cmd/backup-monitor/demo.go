package main

import (
	"cmp"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/internal/config"
	"backupmonitor/services/internal/fleet"
	"backupmonitor/services/internal/registry"
)

// demoSeed makes every demo the same fleet.
const demoSeed = 1

// demo runs `up` on simulated outlets, in a data directory of their own, so
// that they never mix with real ones.
func (a *app) demo(ctx context.Context, n int) error {
	if n < 1 || n > 20000 {
		return fmt.Errorf("--demo=%d: simulate 1 to 20000 outlets", n)
	}
	c, err := a.demoConfig()
	if err != nil {
		return err
	}
	specs := fleet.Demo(n, demoSeed, time.Now)
	addresses, err := demoAddresses(ctx, c.DataDir, specs)
	if err != nil {
		return err
	}
	outlets, err := fleet.Start(ctx, specs, fleet.Options{Address: func(i int) string { return addresses[i] }})
	if err != nil {
		return fmt.Errorf("start %d simulated outlets: %w", n, err)
	}
	file, err := writeDemoOutlets(c.DataDir, outlets)
	if err != nil {
		return errors.Join(err, outlets.Close())
	}
	c.OutletsFile = file
	c.User, c.Pass = outlets.Account()
	c.SMBUser, c.SMBPass = outlets.Account()
	demo := *a
	demo.config = c
	err = demo.up(ctx, []string{
		"", fmt.Sprintf("  Demo  %d simulated outlets", n), "  User  " + c.AdminUserID, "  Password  " + c.AdminPassword,
		"", "  Commands find it by its data directory, and the outlets by their account:",
		"    DATA_DIR=" + c.DataDir + " backup-monitor scan",
		"    DATA_DIR=" + c.DataDir + " USER=" + c.User + " PASS=" + c.Pass + " backup-monitor probe B0001 -v",
	})
	return errors.Join(err, outlets.Close())
}

// demoConfig is the settings, without those that say what real outlets are
// like, on a data directory of its own.
func (a *app) demoConfig() (*config.Config, error) {
	defaults, err := config.Load(nil, "")
	if err != nil {
		return nil, err
	}
	c := *a.config
	c.Share, c.Folder, c.SMBDomain, c.SMBPort = defaults.Share, defaults.Folder, "", defaults.SMBPort
	c.IBStorageDrives, c.IBStorageFolder = defaults.IBStorageDrives, defaults.IBStorageFolder
	c.BackupMaxAge, c.MinBackupSize, c.BackupPatterns = defaults.BackupMaxAge, defaults.MinBackupSize, defaults.BackupPatterns
	c.DataDir, c.LogDir = filepath.Join(c.DataDir, "demo"), filepath.Join(c.LogDir, "demo")
	c.AdminPassword, err = demoPassword(c.DataDir, c.AdminPassword)
	return &c, err
}

// demoPassword is the one that the demo was first started with: the given one,
// or one made up then.
func demoPassword(dataDir, given string) (password string, err error) {
	const name = "demo-password"
	d, err := instance.Open(dataDir)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	_, err = os.Stat(filepath.Join(dataDir, name))
	isFirst := errors.Is(err, fs.ErrNotExist)
	kept, err := d.Secret(name)
	switch {
	case err != nil:
		return "", err
	case isFirst: // shorter than a secret that nobody types
		kept = cmp.Or(given, kept[:12])
		return kept, d.Keep(name, kept)
	case given != "" && given != kept:
		return "", fmt.Errorf("the demo in %s was first started with another ADMIN_PASSWORD; leave it out, or remove that directory", dataDir)
	}
	return kept, nil
}

// demoOutlets is the outlets file that the demo keeps in its data directory.
func demoOutlets(dir string) string { return filepath.Join(dir, "outlets.csv") }

// demoAddresses gives each outlet the address that it had at the last start:
// a scan that goes on after a restart must find the same outlets behind the
// same addresses. An outlet that had none gets one of its own on Linux, where
// all of 127.0.0.0/8 is this machine; elsewhere a free port.
func demoAddresses(ctx context.Context, dir string, specs []fleet.Spec) ([]string, error) {
	had := map[string]string{}
	port := ""
	if f, err := os.Open(demoOutlets(dir)); err == nil {
		rows, err := registry.ParseFile(f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, fmt.Errorf("read the simulated outlets of the last start: %w", err)
		}
		for _, r := range rows {
			had[r.Code] = r.Address
			_, port, _ = strings.Cut(r.Address, ":")
		}
	}
	if port == "" {
		var c net.ListenConfig
		l, err := c.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a port for the simulated outlets: %w", err)
		}
		_, port, _ = strings.Cut(l.Addr().String(), ":")
		if err := l.Close(); err != nil {
			return nil, fmt.Errorf("find a port for the simulated outlets: %w", err)
		}
	}
	addresses := make([]string, len(specs))
	for i, s := range specs {
		fresh := "127.0.0.1:0"
		if runtime.GOOS == "linux" {
			fresh = fmt.Sprintf("127.77.%d.%d:%s", i/250, 1+i%250, port)
		}
		addresses[i] = cmp.Or(had[s.Code], fresh)
	}
	return addresses, nil
}

func writeDemoOutlets(dir string, outlets *fleet.Fleet) (string, error) {
	path := demoOutlets(dir)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", fmt.Errorf("write the simulated outlets: %w", err)
	}
	w := csv.NewWriter(f)
	rows := [][]string{{"OutletCode", "IPAddress", "OutletName"}}
	for _, o := range outlets.Outlets() {
		rows = append(rows, []string{o.Code(), o.Addr(), o.Name()})
	}
	if err := errors.Join(w.WriteAll(rows), f.Close()); err != nil {
		return "", fmt.Errorf("write the simulated outlets: %w", err)
	}
	return path, nil
}
