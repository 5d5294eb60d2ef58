// The acceptance scenarios of certificates, by number, and the findings about other
// software that must not hold here: each has a test with the criterion that it names.
// TestScenarios_AllAreTested looks whether those tests are there.
//
//	 1 every challenge, wildcards, addresses      certs TestScenario01_EveryChallenge, certs/issuer TestObtain, certs/issuer TestObtain_ByDNS01Solver
//	 2 a strict authority of its own process      certs/issuer TestExternalPebble
//	 3 nonces refused                             certs TestScenario03_NoncesRefused, certs/issuer TestObtain_NoncesRefused
//	 4 one name over h1, h2 and h3; Alt-Svc       edge TestAltSvc_OnlyBelowHTTP3, cmd/weir TestACME_TwoNodesServeAndOneRenewsAlone
//	 5 tickets of another node                    edge TestTickets_AreSharedByServers, cmd/weir TestScenario05_TicketsOfAnotherNode
//	 6 early data                                 edge TestEarly_OnlyWhatChangesNothingPasses, edge TestEarly_IsNotTaken, cmd/weir TestScenario06_EarlyData
//	 7 200 first handshakes at once               cmd/weir TestScenario07_TwoHundredFirstHandshakes, certs TestManager_OnDemandOrdersOnce
//	 8 a challenge that cannot succeed            cmd/weir TestScenario08_ChallengeCannotSucceed, certs TestManager_OnDemandFailsAtOnceAndRemembers
//	 9 names that are not allowed                 cmd/weir TestScenario09_RandomNames, certs TestManager_OnDemandRefusesStrangers
//	10 nobody can be asked                        cmd/weir TestScenario10_AskIsDown, certs TestManager_OnDemandServesWhatItHasWhileNobodyDecides
//	11 certificates of 30 s for a minute          cmd/weir TestScenario11_ShortLives
//	12 the window of renewal moves to the past    certs TestScenario12_RenewalWindowMovesToThePast
//	13 a revoked certificate                      certs TestScenario13_Revoked
//	14 the authority is down from the start       cmd/weir TestScenario14_AuthorityDownFromTheStart
//	15 the authority is down across the end       certs TestScenario15_AuthorityDownAcrossTheEnd
//	16 Retry-After of an hour                     certs TestScenario16_RetryAfterIsKept
//	17 two nodes, a third one answers             cmd/weir TestScenario17_TwoNodesOrderOnceAndAThirdAnswers, certs/issuer TestObtain_AnyNodeAnswers
//	18 the holder of the lock is frozen           cmd/weir TestScenario18_FrozenHolder
//	19 the store is down at the start             cmd/weir TestScenario19_StoreDownAtStart
//	20 the store hangs, and a reload              cmd/weir TestScenario20_StoreHangsWhileReloading
//	21 no room in the store                       cmd/weir TestScenario21_NoRoomInTheStore
//	22 the authority's clock is ahead             certs TestScenario22_ClockOfTheAuthorityIsAhead
//	23 10,000 certificates                        cmd/weir TestScenario23_TenThousandCertificates, certs BenchmarkManagerCertificate
//	24 Encrypted Client Hello                     edge TestECH, certs/rotate TestECH_AcceptsWhatIsPublishedUntilItIsDropped, cmd/weir TestScenario24_EncryptedClientHello
//	25 client certificates, and tickets           edge TestSecurity_P14_TicketsDoNotCrossPolicies, edge TestSecurity_P14_NorWithSharedKeys, edge TestSecurity_P7_PolicyIsCheckedPerRequest, cmd/weir TestScenario25_ClientCertificates
//	26 weir's own authority, leaves of 10 s       certs TestScenario26_InternalCertificatesOfSeconds
//	27 SIGTERM while a lock is held               cmd/weir TestScenario27_StopGivesLocksBack
//	28 one suite for all stores                   edge/store/sqlite TestSuite, edge/store/redis TestSuite, edge/store/postgres TestSuite, cmd/weir TestScenario28_StoresKeepTheContractOfCertificates
//	29 hellos in pieces                           edge TestHello_SplitOverSegmentsAndRecords, edge TestHello_SplitOverInitials
//
// The findings:
//
//	F1 an authority inside the test's process     certs/certstest TestCA_IssuesAndCounts
//	F2 handshakes blocked by orders that fail     cmd/weir TestScenario08_ChallengeCannotSucceed, certs TestManager_OnDemandWaitsSoLong
//	F3 a read that hangs stalls handshakes        cmd/weir TestScenario20_StoreHangsWhileReloading, certs TestManager_HandshakesNeverWaitForAStoreThatHangs
//	F4 names are dead after a store was down      cmd/weir TestScenario19_StoreDownAtStart, certs TestManager_StoreDownAtStart
//	F5 a renewal that fails destroys the old key  cmd/weir TestScenario21_NoRoomInTheStore, certs TestManager_KilledAtEveryWrite, cmd/weir TestFaults_KilledWhileRenewing
//	F6 a thawed node overwrites another's         cmd/weir TestScenario18_FrozenHolder, certs TestManager_FrozenHolderTakesOverWhatOthersObtained
//	F7 rotated ticket keys do not reach HTTP/3    edge TestTickets_AreSharedByServers
//	F8 revocation does not lead to a renewal      certs TestScenario13_Revoked
//	F9 certificates of seconds make a storm       certs TestManager_DatedBackCertificatesAreNoStorm, cmd/weir TestScenario11_ShortLives
//
// And beside the list: cmd/weir TestScenario_HundredNewNamesAtOnce, cmd/weir TestFaults_KilledWhileRenewing, cmd/weir TestFaults_SplitBrain.
package certs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestScenarios_AllAreTested(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "scenario_test.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(`^\s*(F?\d+) .*?  +(\S+ (?:Test|Benchmark)\S.*)$`)
	there := map[string]map[string]bool{}
	rows := map[string]bool{}
	for line := range strings.Lines(file.Doc.Text()) {
		m := row.FindStringSubmatch(strings.TrimRight(line, "\n"))
		if m == nil {
			continue
		}
		rows[m[1]] = true
		for test := range strings.SplitSeq(m[2], ", ") {
			dir, name, _ := strings.Cut(test, " ")
			if there[dir] == nil {
				there[dir] = testsOf(t, dir)
			}
			if !there[dir][name] {
				t.Errorf("scenario %s: %s has no %s", m[1], dir, name)
			}
		}
	}
	for i := 1; i <= 29; i++ {
		if !rows[fmt.Sprint(i)] {
			t.Errorf("scenario %d is not in the table", i)
		}
	}
	for i := 1; i <= 9; i++ {
		if !rows[fmt.Sprint("F", i)] {
			t.Errorf("finding %d is not in the table", i)
		}
	}
}

// testsOf returns the names of the tests and benchmarks of a room.
func testsOf(t *testing.T, room string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(room), "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, f := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), f, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}
