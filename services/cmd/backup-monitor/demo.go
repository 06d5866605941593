package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"backupmonitor/services/cmd/backup-monitor/instance"
	"backupmonitor/services/internal/fleet"
)

// demoSeed makes every demo the same fleet.
const demoSeed = 1

// demo runs `up` on simulated outlets, in a data directory of their own, so
// that they never mix with real ones.
func (a *app) demo(ctx context.Context, n int) error {
	if n < 1 || n > 20000 {
		return fmt.Errorf("--demo=%d: simulate 1 to 20000 outlets", n)
	}
	c := *a.config
	c.DataDir = filepath.Join(c.DataDir, "demo")
	password, err := demoPassword(c.DataDir, c.AdminPassword)
	if err != nil {
		return err
	}
	outlets, err := fleet.Start(ctx, fleet.Demo(n, demoSeed, time.Now), fleet.Options{})
	if err != nil {
		return fmt.Errorf("start %d simulated outlets: %w", n, err)
	}
	file, err := writeDemoOutlets(c.DataDir, outlets)
	if err != nil {
		return errors.Join(err, outlets.Close())
	}
	c.OutletsFile, c.AdminPassword = file, password
	c.User, c.Pass = outlets.Account()
	c.SMBUser, c.SMBPass = outlets.Account()
	demo := *a
	demo.config = &c
	err = demo.up(ctx, []string{
		"", fmt.Sprintf("  Demo  %d simulated outlets", n), "  User  " + c.AdminUserID, "  Password  " + password,
		"", "  Commands find it by its data directory, and the outlets by their account:",
		"    DATA_DIR=" + c.DataDir + " backup-monitor scan",
		"    DATA_DIR=" + c.DataDir + " USER=" + c.User + " PASS=" + c.Pass + " backup-monitor probe B0001 -v",
	})
	return errors.Join(err, outlets.Close())
}

// demoPassword is the given one, or one that the demo keeps.
func demoPassword(dataDir, given string) (string, error) {
	if given != "" {
		return given, nil
	}
	d, err := instance.Open(dataDir)
	if err != nil {
		return "", err
	}
	secret, err := d.Secret("demo-password")
	if err := errors.Join(err, d.Close()); err != nil {
		return "", err
	}
	return secret[:12], nil
}

func writeDemoOutlets(dir string, outlets *fleet.Fleet) (string, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("make the demo's data directory: %w", err)
	}
	path := filepath.Join(dir, "outlets.csv")
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
