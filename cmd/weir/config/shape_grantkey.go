package config

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"strconv"

	"go.yaml.in/yaml/v4"
)

// auto has weir make a key itself.
const auto = "auto"

const grantKeyForms = "write auto, {secret: {file: path}} or {ed25519: {file: path}}"

var grantKeyAuto = shape[GrantKey]{
	read: func(r *reader, n *yaml.Node, _ *GrantKey) {
		if s, _, ok := r.text(n, "auto, or a mapping that says where the key is"); ok && s != auto {
			r.fail(n, grantKeyForms, "want auto, or a mapping that says where the key is")
		}
	},
	print:  func(*printer, *GrantKey) *yaml.Node { return nil },
	schema: func(*definitions) schema { return schema{"enum": []any{auto}} },
}

var grantKeyMapping = object[GrantKey]{
	name: "grant_key", doc: "A key that guests may sign with, and never see.", short: &grantKeyAuto,
	fields: []field[GrantKey]{
		at("secret", "A secret for HMAC-SHA256 (HS256), of 32 bytes at least; best as {file: path}.", secret(checkHMACSecret), func(v *GrantKey) *string { return &v.Secret }),
		at("ed25519", "A private key for EdDSA, PKCS#8 in PEM: {file: path}.", secret(checkEd25519), func(v *GrantKey) *string { return &v.Ed25519 }),
	},
	after: func(r *reader, n *yaml.Node, v *GrantKey) {
		secret, _ := entry(n, "secret")
		switch seed, _ := entry(n, "ed25519"); {
		case n.Kind != yaml.MappingNode:
		case len(n.Content) == 0:
			r.report(r.here, keyWidth(r), "the key is missing", grantKeyForms)
		case secret != nil && seed != nil:
			r.fail(seed, "remove one of them", "secret and ed25519 are two keys")
		}
	},
}.shape()

// grantKeyShape is auto, or a mapping that says where the key is.
var grantKeyShape = shape[GrantKey]{
	read: grantKeyMapping.read, schema: grantKeyMapping.schema,
	print: func(p *printer, v *GrantKey) *yaml.Node {
		if n := grantKeyMapping.print(p, v); n != nil {
			return n
		}
		return textNode(auto)
	},
}

var grantKeysShape = pairs[GrantKey]{
	doc: "Keys by the names that guests have for them: auto, {secret: {file: path}} or {ed25519: {file: path}}.", value: grantKeyShape,
	name: func(v *GrantKey) string { return v.Name },
	key: func(r *reader, key *yaml.Node, v *GrantKey) {
		v.Pos, v.Name = r.pos(key), key.Value
		if err := checkGrantName(v.Name); err != nil {
			r.failValue(key, err)
		}
	},
}.shape()

var spaceName = text("the name of a part of the store", checkGrantName)

// mostGrantName bounds names that become keys of the store.
const mostGrantName = 64

func checkGrantName(s string) error {
	if !isPathName(s) || len(s) > mostGrantName {
		return &problem{strconv.Quote(short(s)) + " is no name", "names are of letters, digits, _ and -, " + strconv.Itoa(mostGrantName) + " at most"}
	}
	return nil
}

func checkHMACSecret(s string) error {
	if len(s) < 32 {
		return &problem{"a secret has 32 bytes at least, this one has " + strconv.Itoa(len(s)), keyForms}
	}
	return nil
}

func checkEd25519(s string) error {
	_, err := readEd25519(s)
	return err
}

// readEd25519 reads a private key as openssl writes it.
func readEd25519(s string) (ed25519.PrivateKey, error) {
	const form = "make one with: openssl genpkey -algorithm ed25519 -out key.pem"
	block, _ := pem.Decode([]byte(s))
	if block == nil || block.Type != "PRIVATE KEY" {
		return nil, &problem{"this is no private key in PEM (PKCS#8)", form}
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, &problem{"this private key cannot be read", form}
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, &problem{"this private key is not of Ed25519", form}
	}
	return private, nil
}

// Seed returns the 32 bytes of an Ed25519 key; nil if there is none. What weir config
// shows in place of one comes as it is, which is no seed.
func (k *GrantKey) Seed() []byte {
	if k.Ed25519 == "" || k.Ed25519 == redacted {
		return []byte(k.Ed25519)
	}
	private, err := readEd25519(k.Ed25519)
	if err != nil {
		return []byte(err.Error()) // never: it has been read before
	}
	return private.Seed()
}

// checkCGIGrants refuses what programs have no way to ask for.
func checkCGIGrants(r *reader, n *yaml.Node) {
	_, grants := entry(n, "grants")
	if grants == nil {
		return
	}
	for _, name := range []string{"store", "keys"} {
		if key, _ := entry(grants, name); key != nil {
			r.fail(key, "remove it: filters and modules of Proxy-Wasm have it", "a CGI program cannot ask for it")
		}
	}
}
