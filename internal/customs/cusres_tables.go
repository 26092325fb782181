package customs

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"greenlane"
)

// The codes of CUSRES. What a code means is from UN/ECE, UN/EDIFACT directories
// D.96B to D.16A (UNTDID part 4, message CUSRES, and part 5, code lists); which
// status, hold or release follows is our reading.

// cusresMeaning is what an indicator says, in words, and what it does.
type cusresMeaning struct {
	words  string
	effect greenlane.Effect
	class  greenlane.ErrorType
}

// cusresList is a list of processing indicators: the agency that keeps it (data
// element 3055) and its name there (1131). The authority is empty where these two
// identify it alone; codes of the agency ZZZ, mutually defined, mean something
// only coming from whoever defined them.
type cusresList struct {
	authority    greenlane.Authority
	agency, list string
}

// cusresUN is the UN's own list, to which an indicator belongs that names no
// other.
var cusresUN = cusresList{agency: "6"}

// cusresIndicators are the processing indicators (data element 7365), list by
// list. A national list is one more entry here.
var cusresIndicators = map[cusresList]map[string]cusresMeaning{
	cusresUN: cusresUNIndicators,
	// South African Revenue Service (SARS): 2 is from its page on physical
	// inspection, 13 from its letter on submission of supporting documents
	// (7 June 2011), 1 and 3 from its CUSCAR implementation guide 2.1, cargo
	// release status. Inference: that 1 and 3 mean the same in CUSRES.
	{"SARS", "ZZZ", "120"}: {
		"1":  {words: "goods released", effect: cusresRelease},
		"2":  {words: "goods stopped for physical inspection", effect: cusresControl},
		"3":  {words: "conditional release: goods may move under customs transfer"},
		"13": {words: "supporting documents to be submitted", effect: cusresDocumentsAsked},
	},
}

var (
	cusresRelease        = greenlane.Effect{Status: greenlane.StatusReleased, Release: true}
	cusresControl        = greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldControl}
	cusresDocumentsAsked = greenlane.Effect{Status: greenlane.StatusControl, Hold: greenlane.HoldDocuments}
	cusresAccepts        = greenlane.Effect{Status: greenlane.StatusAcknowledged}
	cusresRejects        = greenlane.Effect{Rejection: true}
	// The message as such was refused, before anything it declares.
	cusresBlocks = greenlane.Effect{Rejection: true, Status: greenlane.StatusBlocked}
)

// cusresUNIndicators is code list 7365 as far as it is about a declaration or the
// movement of goods. 30 to 35 and 66 came with D.97A.
var cusresUNIndicators = map[string]cusresMeaning{
	"1":  {words: "message content accepted", effect: cusresAccepts},
	"2":  {words: "message content rejected with comment", effect: cusresRejects, class: greenlane.ErrorCustomsErr},
	"3":  {words: "message content rejected without comment", effect: cusresRejects, class: greenlane.ErrorCustomsErr},
	"4":  {words: "goods released", effect: cusresRelease},
	"5":  {words: "goods required for examination", effect: cusresControl},
	"6":  {words: "all documents or as specified to be produced", effect: cusresDocumentsAsked},
	"7":  {words: "goods detained", effect: greenlane.Effect{Status: greenlane.StatusNoRelease, Hold: greenlane.HoldDetention}},
	"8":  {words: "goods may move under customs transfer"},
	"9":  {words: "declaration accepted awaiting goods arrival", effect: greenlane.Effect{Status: greenlane.StatusPrelodged}},
	"10": {words: "declaration requested"},
	"11": {words: "pre-entry information"},
	"12": {words: "sender not allowed the message type", effect: cusresBlocks, class: greenlane.ErrorCustomsXML},
	"13": {words: "message type not supported", effect: cusresBlocks, class: greenlane.ErrorCustomsXML},
	"14": {words: "error message", effect: cusresBlocks, class: greenlane.ErrorCustomsXML},
	"15": {words: "response after correction, correction approved", effect: greenlane.Effect{Granted: true}},
	"16": {words: "response after correction, correction not approved", effect: greenlane.Effect{Denied: true}},
	"17": {words: "message received", effect: greenlane.Effect{Status: greenlane.StatusRegistered}},
	"18": {words: "request for clearance"},
	"19": {words: "bulk goods"},
	"20": {words: "cash payment deferred"},
	"21": {words: "unsolicited text"},
	"22": {words: "export"},
	"23": {words: "import"},
	"24": {words: "transit"},
	"25": {words: "prohibited or restricted goods"},
	"26": {words: "container quarantine"},
	"27": {words: "onward carriage: immediate export"},
	"28": {words: "transhipment"},
	"29": {words: "onward carriage: inland clearance"},
	"30": {words: "transaction will not be processed until action is taken by sender"},
	"31": {words: "transaction cannot be processed by the recipient"},
	"32": {words: "transaction accepted", effect: cusresAccepts},
	"33": {words: "transaction rejected", effect: cusresRejects, class: greenlane.ErrorCustomsErr},
	"34": {words: "transaction awaiting processing"},
	"35": {words: "transaction unknown"},
	"36": {words: "changed information"},
	"66": {words: "message content accepted, with comments", effect: cusresAccepts},
}

// cusresAnswers are the response types (data element 4343) and message functions
// (1225) in BGM that answer the message referred to. They decide where no
// indicator does.
var cusresAnswers = map[string]cusresMeaning{
	"AP": {words: "accepted", effect: cusresAccepts},
	"CA": {words: "conditionally accepted", effect: cusresAccepts},
	"RE": {words: "rejected", effect: cusresRejects, class: greenlane.ErrorCustomsErr},
	"12": {words: "not processed", effect: cusresRejects, class: greenlane.ErrorCustomsErr},
	"27": {words: "not accepted", effect: cusresRejects, class: greenlane.ErrorCustomsErr},
	"28": {words: "accepted, with amendment in heading section", effect: cusresAccepts},
	"29": {words: "accepted without amendment", effect: cusresAccepts},
	"30": {words: "accepted, with amendment in detail section", effect: cusresAccepts},
	"34": {words: "accepted with amendment", effect: cusresAccepts},
	"44": {words: "accepted without reserves", effect: cusresAccepts},
	"45": {words: "accepted with reserves", effect: cusresAccepts},
	"48": {words: "accepted, contents rejected", effect: cusresRejects, class: greenlane.ErrorCustomsErr},
}

// cusresUse is what a reference number is to us.
type cusresUse int

const (
	// usesMRN is the number that customs gave the declaration, usesLRN the one
	// the declarant gave it; those that may be something else count when no other
	// names it.
	usesMRN cusresUse = iota + 1
	usesLRN
	maybeMRN
	maybeLRN
	usesReference
	usesContainer
	usesPayment
)

// cusresReference says how a reference is used. Where several are of one use the
// lowest rank counts.
type cusresReference struct {
	words string
	use   cusresUse
	rank  int
	kind  greenlane.ReferenceKind
}

// cusresReferences are the reference qualifiers that are read (code list 1153).
// ABE is the declarant's reference by its definition; ABO, the originator's, is
// the same as long as the declarant sends his own messages. Inference: AAE, whose
// definition is nearly that of ABT, is a kind of declaration where it is shorter
// than eight characters, as Australia sends it.
var cusresReferences = map[string]cusresReference{
	"ABT": {words: "goods declaration number, customs", use: usesMRN},
	"AAE": {words: "goods declaration number", use: maybeMRN},
	"ABE": {words: "declarant's reference number", use: usesLRN},
	"ABO": {words: "originator's reference", use: usesLRN, rank: 1},
	"ACW": {words: "reference number of previous message", use: maybeLRN},
	"UCN": {words: "unique consignment reference number", use: usesReference, kind: greenlane.RefUCR},
	"AAS": {words: "transport contract document", use: usesReference, kind: greenlane.RefMasterBill},
	"AWB": {words: "air waybill number", use: usesReference, kind: greenlane.RefMasterBill},
	"BM":  {words: "bill of lading number", use: usesReference, kind: greenlane.RefMasterBill},
	"MB":  {words: "master bill of lading number", use: usesReference, kind: greenlane.RefMasterBill},
	"MWB": {words: "master air waybill number", use: usesReference, kind: greenlane.RefMasterBill},
	"BH":  {words: "house bill of lading number", use: usesReference, kind: greenlane.RefHouseBill},
	"HWB": {words: "house waybill number", use: usesReference, kind: greenlane.RefHouseBill},
	"BN":  {words: "booking reference number", use: usesReference, kind: greenlane.RefBooking},
	"AAQ": {words: "unit load device number", use: usesContainer},
	"ABI": {words: "tax payment identifier", use: usesPayment},
	"ACY": {words: "duty memo number", use: usesPayment},
}

// cusresShortest is how many characters a reference that may be an MRN has.
const cusresShortest = 8

// cusresBills are the document names (code list 1001) whose numbers are bills.
var cusresBills = map[string]greenlane.ReferenceKind{
	"703": greenlane.RefHouseBill, "704": greenlane.RefMasterBill, "705": greenlane.RefMasterBill,
	"714": greenlane.RefHouseBill, "740": greenlane.RefMasterBill, "741": greenlane.RefMasterBill,
}

// cusresDocumentNames say in words which document is asked for (code list 1001),
// where the message does not.
var cusresDocumentNames = map[string]string{
	"271": "packing list", "380": "commercial invoice", "703": "house waybill", "704": "master bill of lading",
	"705": "bill of lading", "714": "house bill of lading", "730": "road consignment note", "740": "air waybill",
	"741": "master air waybill", "811": "export licence", "851": "phytosanitary certificate", "852": "sanitary certificate",
	"853": "veterinary certificate", "861": "certificate of origin", "911": "import licence",
}

// The dates that are read (code list 2005). The first of cusresIssueDates in the
// heading is when the response was issued.
var (
	cusresIssueDates = []string{"137", "182", "9", "97", "184", "242", "243"}
	cusresDates      = map[string]string{
		"137": "document issue", "182": "issue", "9": "processing", "97": "transaction creation", "184": "notification",
		"242": "preparation of document", "243": "transmission of document",
		cusresAcceptance: "acceptance of goods declaration", "58": "clearance by customs", "204": "release by customs",
		"36": "expiry", "222": "presentation, latest", "265": "due date", cusresPaymentDue: "payment due",
	}
)

// cusresLimits are the dates until which something must be done.
var cusresLimits = map[string]bool{"36": true, "222": true, "265": true}

const (
	cusresAcceptance = "148"
	cusresPaymentDue = "140"
)

// cusresOffices are the places that are customs offices, the most telling first
// (code list 3227: clearance, entry, exit, transit destination, examination).
var cusresOffices = []string{"22", "41", "42", "45", "43"}

// cusresSections name the section of the declaration that an error is in (code
// list 1049).
var cusresSections = map[string]string{
	"1": "heading", "2": "detail", "5": "several sections", "6": "summary", "7": "sub-line", "8": "commercial heading",
	"9": "commercial line", "10": "customs item", "11": "customs sub-item",
}

// cusresAmount is what an amount of a duty is.
type cusresAmount int

const (
	baseAmount cusresAmount = iota + 1
	assessedAmount
	payableAmount
)

// cusresAmounts are the amounts read in a duty, tax or fee (code list 5025).
var cusresAmounts = map[string]cusresAmount{
	"40": baseAmount, "125": baseAmount,
	"55": assessedAmount, "124": assessedAmount, "150": assessedAmount, "161": assessedAmount, "176": assessedAmount,
	"369": assessedAmount,
	"9":   payableAmount,
}

// The functions of a duty, tax or fee (code list 5283) that sum up all of an item
// or of the declaration.
const (
	cusresItemTotal = "2"
	cusresTotal     = "4"
)

// cusresAgencies are the customs authorities among the agencies that keep code
// lists (code list 3055), by country.
var cusresAgencies = map[string]string{
	"93": "AT", "95": "AU", "96": "CA", "98": "CH", "105": "DK", "106": "FR", "109": "GB", "110": "IE", "111": "US",
	"143": "NZ", "144": "NL", "145": "SE", "146": "DE", "147": "BE", "148": "ES", "149": "IL", "150": "HK", "151": "JP",
	"152": "SA", "153": "IT", "154": "GR", "155": "PT", "156": "LU", "157": "NO", "158": "FI", "159": "IS",
}

// cusresAuthorities have a name of their own; others are named after the country.
var cusresAuthorities = map[string]greenlane.Authority{"US": "CBP", "ZA": "SARS"}

// cusresSARS is how the names begin under which SARS takes part in interchanges
// (SARS, CUSDEC implementation guide 30.2, UNB: SARSDEC, SARSDECT).
const cusresSARS = "SARS"

const cusresDirectories = "UN/ECE, UN/EDIFACT directories D.96B to D.16A, "

func cusresMappings() []Mapping {
	mappings := []Mapping{
		cusresMeanings("Processing indicators of the UN (GIS, GEI)", cusresDirectories+"code list 7365. The effects are inference.",
			cusresUNIndicators),
	}
	lists := slices.SortedFunc(maps.Keys(cusresIndicators), func(a, b cusresList) int {
		return cmp.Or(cmp.Compare(a.authority, b.authority), cmp.Compare(a.agency, b.agency), cmp.Compare(a.list, b.list))
	})
	for _, l := range lists {
		if l != cusresUN {
			mappings = append(mappings, cusresMeanings("Processing indicators of "+string(l.authority)+" (list "+l.list+", agency "+l.agency+")",
				"Public pages and guides of "+string(l.authority)+"; not its whole list. The effects are inference.", cusresIndicators[l]))
		}
	}
	mappings = append(mappings, cusresMeanings("Answers in BGM, where no indicator decides",
		cusresDirectories+"code lists 4343 and 1225. The effects are inference.", cusresAnswers))
	uses := map[cusresUse]string{
		usesMRN: "MRN", usesLRN: "LRN", maybeMRN: "MRN where nothing else names one", maybeLRN: "LRN where nothing else names one",
		usesContainer: greenlane.RefContainer.String(), usesPayment: "reference of the payment",
	}
	references := Mapping{
		Format: greenlane.FormatCUSRES, Title: "References (RFF)",
		Source:  cusresDirectories + "code list 1153. Which is the LRN is inference from the definitions.",
		Columns: []string{"Code", "Name", "Read as"},
	}
	for _, code := range cusresSorted(cusresReferences) {
		r := cusresReferences[code]
		references.Rows = append(references.Rows, []string{code, r.words, cmp.Or(uses[r.use], r.kind.String())})
	}
	return append(mappings, references)
}

func cusresMeanings(title, source string, meanings map[string]cusresMeaning) Mapping {
	m := Mapping{
		Format: greenlane.FormatCUSRES, Title: title, Source: source, Columns: []string{"Code", "Name", "Does"},
	}
	for _, code := range cusresSorted(meanings) {
		m.Rows = append(m.Rows, []string{code, meanings[code].words, effectWords(meanings[code].effect)})
	}
	return m
}

// cusresSorted returns codes in order, numbers by their value before letters.
func cusresSorted[T any](codes map[string]T) []string {
	return slices.SortedFunc(maps.Keys(codes), func(a, b string) int {
		x, errA := strconv.Atoi(a)
		y, errB := strconv.Atoi(b)
		switch {
		case errA == nil && errB == nil:
			return cmp.Compare(x, y)
		case errA == nil:
			return -1
		case errB == nil:
			return 1
		}
		return cmp.Compare(a, b)
	})
}
