package certs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/smallstep/truststore"
)

// Trust makes the machine trust the root in a PEM file: the system's store, and
// those of Firefox, Chromium and Java where they are found. It may ask for a
// password by sudo. It is for the command that the user gives, never for a start.
// An error says what to type instead.
func Trust(rootPEM string) error {
	if _, err := checkRoot(rootPEM); err != nil {
		return fmt.Errorf("trust: %w", err)
	}
	if err := truststore.InstallFile(rootPEM, truststore.WithFirefox(), truststore.WithJava()); err != nil {
		return fmt.Errorf("trust %s: %s\nby hand: %s\nFirefox: Settings, Certificates, Authorities, Import", rootPEM, cause(err), trustCommand(rootPEM))
	}
	if browsersLeftOut() {
		return fmt.Errorf("trust %s: the system trusts it now, but Firefox and Chromium have stores of their own, and certutil is not there to write to them: install %q and try again",
			rootPEM, truststore.CertutilInstallHelp)
	}
	return nil
}

// browsersLeftOut tells whether there are NSS databases that truststore has passed
// over in silence.
func browsersLeftOut() bool {
	if _, err := truststore.NewNSSTrust(); err == nil || runtime.GOOS == "windows" {
		return false
	}
	home, _ := os.UserHomeDir()
	for _, pattern := range []string{truststore.NSSProfile, filepath.Join(home, ".pki", "nssdb")} {
		databases, _ := filepath.Glob(filepath.Join(pattern, "cert9.db"))
		if len(databases) > 0 {
			return true
		}
	}
	return false
}

// Untrust undoes Trust.
func Untrust(rootPEM string) error {
	name, err := checkRoot(rootPEM)
	if err != nil {
		return fmt.Errorf("untrust: %w", err)
	}
	if err := truststore.UninstallFile(rootPEM, truststore.WithFirefox(), truststore.WithJava()); err != nil {
		return fmt.Errorf("untrust %s: %s\nby hand: remove the certificate named %q from the system's store", rootPEM, cause(err), name)
	}
	return nil
}

// checkRoot returns the name of a root. It refuses anything but one self-signed
// authority: a mistyped path must not make the machine trust a certificate for
// everything.
func checkRoot(path string) (name string, err error) {
	b, err := readFile(path)
	if err != nil {
		return "", err
	}
	all, err := parseCertificates(path, b, false)
	if err != nil {
		return "", err
	}
	root := all[0]
	if len(all) != 1 || !root.IsCA || root.CheckSignatureFrom(root) != nil {
		return "", fmt.Errorf("%s: not the certificate of one root", path)
	}
	if len(root.PermittedDNSDomains) == 0 {
		return "", fmt.Errorf("%s: this root could vouch for any site; weir's own is bound to internal names", path)
	}
	return root.Subject.CommonName, nil
}

// cause adds what a command of the system has said.
func cause(err error) string {
	if failed, ok := errors.AsType[*truststore.CmdError](err); ok {
		return strings.TrimSpace(err.Error() + ": " + strings.TrimSpace(string(failed.Out())))
	}
	return err.Error()
}

func trustCommand(path string) string {
	switch runtime.GOOS {
	case "darwin":
		return "sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain " + path
	case "windows":
		return "certutil -addstore -f ROOT " + path
	case "linux":
		return "sudo cp " + path + " /usr/local/share/ca-certificates/weir.crt && sudo update-ca-certificates   (Debian, Ubuntu, Alpine)" +
			"\n         sudo trust anchor " + path + "   (Fedora, RHEL, Arch)"
	}
	return "add " + path + " to the certificates that this system trusts"
}
