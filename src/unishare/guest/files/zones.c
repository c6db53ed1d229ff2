/*
 * Time zones by name. musl looks for them as files of /usr/share/zoneinfo (src/time/__tz.c); one that it asks for, and that the
 * image does not bring, is made from this table: what holds in a zone now, as the POSIX form of TZ says it, for all times. So
 * times of years in which a zone had other rules are off by them; an image that needs those brings the zone's file.
 *
 * From tzdata 2025b (public domain): the last lines of its files. A rule, then the zones that it holds for; each ends in a zero
 * byte, and a second one ends the zones. One string, no table of pointers: pointers would be private pages under aslr.
 */
#include <stdlib.h>
#include <string.h>

#include <unishare/console.h>

#include "zones.h"

static const char zones[] =
    "<+00>0<+02>-2,M3.5.0/1,M10.5.0/3\0Antarctica/Troll\0\0"
    "<+01>-1\0Africa/Casablanca\0Africa/El_Aaiun\0Etc/GMT-1\0\0"
    "<+02>-2\0Etc/GMT-2\0\0"
    "<+0330>-3:30\0Asia/Tehran\0Iran\0\0"
    "<+03>-3\0Antarctica/Syowa\0Asia/Aden\0Asia/Amman\0Asia/Baghdad\0Asia/Bahrain\0Asia/Damascus\0Asia/Istanbul\0"
    "Asia/Kuwait\0Asia/Qatar\0Asia/Riyadh\0Etc/GMT-3\0Europe/Istanbul\0Europe/Minsk\0Turkey\0\0"
    "<+0430>-4:30\0Asia/Kabul\0\0"
    "<+04>-4\0Asia/Baku\0Asia/Dubai\0Asia/Muscat\0Asia/Tbilisi\0Asia/Yerevan\0Etc/GMT-4\0Europe/Astrakhan\0Europe/Samara\0"
    "Europe/Saratov\0Europe/Ulyanovsk\0Indian/Mahe\0Indian/Mauritius\0Indian/Reunion\0\0"
    "<+0530>-5:30\0Asia/Colombo\0\0"
    "<+0545>-5:45\0Asia/Kathmandu\0Asia/Katmandu\0\0"
    "<+05>-5\0Antarctica/Mawson\0Antarctica/Vostok\0Asia/Almaty\0Asia/Aqtau\0Asia/Aqtobe\0Asia/Ashgabat\0Asia/Ashkhabad\0"
    "Asia/Atyrau\0Asia/Dushanbe\0Asia/Oral\0Asia/Qostanay\0Asia/Qyzylorda\0Asia/Samarkand\0Asia/Tashkent\0"
    "Asia/Yekaterinburg\0Etc/GMT-5\0Indian/Kerguelen\0Indian/Maldives\0\0"
    "<+0630>-6:30\0Asia/Rangoon\0Asia/Yangon\0Indian/Cocos\0\0"
    "<+06>-6\0Asia/Bishkek\0Asia/Dacca\0Asia/Dhaka\0Asia/Kashgar\0Asia/Omsk\0Asia/Thimbu\0Asia/Thimphu\0Asia/Urumqi\0"
    "Etc/GMT-6\0Indian/Chagos\0\0"
    "<+07>-7\0Antarctica/Davis\0Asia/Bangkok\0Asia/Barnaul\0Asia/Ho_Chi_Minh\0Asia/Hovd\0Asia/Krasnoyarsk\0"
    "Asia/Novokuznetsk\0Asia/Novosibirsk\0Asia/Phnom_Penh\0Asia/Saigon\0Asia/Tomsk\0Asia/Vientiane\0Etc/GMT-7\0"
    "Indian/Christmas\0\0"
    "<+0845>-8:45\0Australia/Eucla\0\0"
    "<+08>-8\0Antarctica/Casey\0Asia/Brunei\0Asia/Choibalsan\0Asia/Irkutsk\0Asia/Kuala_Lumpur\0Asia/Kuching\0"
    "Asia/Singapore\0Asia/Ulaanbaatar\0Asia/Ulan_Bator\0Etc/GMT-8\0Singapore\0\0"
    "<+09>-9\0Asia/Chita\0Asia/Dili\0Asia/Khandyga\0Asia/Yakutsk\0Etc/GMT-9\0Pacific/Palau\0\0"
    "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0\0Australia/LHI\0Australia/Lord_Howe\0\0"
    "<+10>-10\0Antarctica/DumontDUrville\0Asia/Ust-Nera\0Asia/Vladivostok\0Etc/GMT-10\0Pacific/Chuuk\0"
    "Pacific/Port_Moresby\0Pacific/Truk\0Pacific/Yap\0\0"
    "<+11>-11\0Asia/Magadan\0Asia/Sakhalin\0Asia/Srednekolymsk\0Etc/GMT-11\0Pacific/Bougainville\0Pacific/Efate\0"
    "Pacific/Guadalcanal\0Pacific/Kosrae\0Pacific/Noumea\0Pacific/Pohnpei\0Pacific/Ponape\0\0"
    "<+11>-11<+12>,M10.1.0,M4.1.0/3\0Pacific/Norfolk\0\0"
    "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45\0NZ-CHAT\0Pacific/Chatham\0\0"
    "<+12>-12\0Asia/Anadyr\0Asia/Kamchatka\0Etc/GMT-12\0Kwajalein\0Pacific/Fiji\0Pacific/Funafuti\0Pacific/Kwajalein\0"
    "Pacific/Majuro\0Pacific/Nauru\0Pacific/Tarawa\0Pacific/Wake\0Pacific/Wallis\0\0"
    "<+13>-13\0Etc/GMT-13\0Pacific/Apia\0Pacific/Enderbury\0Pacific/Fakaofo\0Pacific/Kanton\0Pacific/Tongatapu\0\0"
    "<+14>-14\0Etc/GMT-14\0Pacific/Kiritimati\0\0"
    "<-01>1\0Atlantic/Cape_Verde\0Etc/GMT+1\0\0"
    "<-01>1<+00>,M3.5.0/0,M10.5.0/1\0Atlantic/Azores\0\0"
    "<-02>2\0America/Noronha\0Atlantic/South_Georgia\0Brazil/DeNoronha\0Etc/GMT+2\0\0"
    "<-02>2<-01>,M3.5.0/-1,M10.5.0/0\0America/Godthab\0America/Nuuk\0America/Scoresbysund\0\0"
    "<-03>3\0America/Araguaina\0America/Argentina/Buenos_Aires\0America/Argentina/Catamarca\0"
    "America/Argentina/ComodRivadavia\0America/Argentina/Cordoba\0America/Argentina/Jujuy\0America/Argentina/La_Rioja\0"
    "America/Argentina/Mendoza\0America/Argentina/Rio_Gallegos\0America/Argentina/Salta\0America/Argentina/San_Juan\0"
    "America/Argentina/San_Luis\0America/Argentina/Tucuman\0America/Argentina/Ushuaia\0America/Asuncion\0America/Bahia\0"
    "America/Belem\0America/Buenos_Aires\0America/Catamarca\0America/Cayenne\0America/Cordoba\0America/Coyhaique\0"
    "America/Fortaleza\0America/Jujuy\0America/Maceio\0America/Mendoza\0America/Montevideo\0America/Paramaribo\0"
    "America/Punta_Arenas\0America/Recife\0America/Rosario\0America/Santarem\0America/Sao_Paulo\0Antarctica/Palmer\0"
    "Antarctica/Rothera\0Atlantic/Stanley\0Brazil/East\0Etc/GMT+3\0\0"
    "<-03>3<-02>,M3.2.0,M11.1.0\0America/Miquelon\0\0"
    "<-04>4\0America/Boa_Vista\0America/Campo_Grande\0America/Caracas\0America/Cuiaba\0America/Guyana\0America/La_Paz\0"
    "America/Manaus\0America/Porto_Velho\0Brazil/West\0Etc/GMT+4\0\0"
    "<-04>4<-03>,M9.1.6/24,M4.1.6/24\0America/Santiago\0Chile/Continental\0\0"
    "<-05>5\0America/Bogota\0America/Eirunepe\0America/Guayaquil\0America/Lima\0America/Porto_Acre\0America/Rio_Branco\0"
    "Brazil/Acre\0Etc/GMT+5\0\0"
    "<-06>6\0Etc/GMT+6\0Pacific/Galapagos\0\0"
    "<-06>6<-05>,M9.1.6/22,M4.1.6/22\0Chile/EasterIsland\0Pacific/Easter\0\0"
    "<-07>7\0Etc/GMT+7\0\0"
    "<-08>8\0Etc/GMT+8\0Pacific/Pitcairn\0\0"
    "<-0930>9:30\0Pacific/Marquesas\0\0"
    "<-09>9\0Etc/GMT+9\0Pacific/Gambier\0\0"
    "<-10>10\0Etc/GMT+10\0Pacific/Rarotonga\0Pacific/Tahiti\0\0"
    "<-11>11\0Etc/GMT+11\0Pacific/Niue\0\0"
    "<-12>12\0Etc/GMT+12\0\0"
    "ACST-9:30\0Australia/Darwin\0Australia/North\0\0"
    "ACST-9:30ACDT,M10.1.0,M4.1.0/3\0Australia/Adelaide\0Australia/Broken_Hill\0Australia/South\0Australia/Yancowinna\0\0"
    "AEST-10\0Australia/Brisbane\0Australia/Lindeman\0Australia/Queensland\0\0"
    "AEST-10AEDT,M10.1.0,M4.1.0/3\0Antarctica/Macquarie\0Australia/ACT\0Australia/Canberra\0Australia/Currie\0"
    "Australia/Hobart\0Australia/Melbourne\0Australia/NSW\0Australia/Sydney\0Australia/Tasmania\0Australia/Victoria\0\0"
    "AKST9AKDT,M3.2.0,M11.1.0\0America/Anchorage\0America/Juneau\0America/Metlakatla\0America/Nome\0America/Sitka\0"
    "America/Yakutat\0US/Alaska\0\0"
    "AST4\0America/Anguilla\0America/Antigua\0America/Aruba\0America/Barbados\0America/Blanc-Sablon\0America/Curacao\0"
    "America/Dominica\0America/Grenada\0America/Guadeloupe\0America/Kralendijk\0America/Lower_Princes\0America/Marigot\0"
    "America/Martinique\0America/Montserrat\0America/Port_of_Spain\0America/Puerto_Rico\0America/Santo_Domingo\0"
    "America/St_Barthelemy\0America/St_Kitts\0America/St_Lucia\0America/St_Thomas\0America/St_Vincent\0America/Tortola\0"
    "America/Virgin\0\0"
    "AST4ADT,M3.2.0,M11.1.0\0America/Glace_Bay\0America/Goose_Bay\0America/Halifax\0America/Moncton\0America/Thule\0"
    "Atlantic/Bermuda\0Canada/Atlantic\0\0"
    "AWST-8\0Australia/Perth\0Australia/West\0\0"
    "CAT-2\0Africa/Blantyre\0Africa/Bujumbura\0Africa/Gaborone\0Africa/Harare\0Africa/Juba\0Africa/Khartoum\0"
    "Africa/Kigali\0Africa/Lubumbashi\0Africa/Lusaka\0Africa/Maputo\0Africa/Windhoek\0\0"
    "CET-1\0Africa/Algiers\0Africa/Tunis\0\0"
    "CET-1CEST,M3.5.0,M10.5.0/3\0Africa/Ceuta\0Arctic/Longyearbyen\0Atlantic/Jan_Mayen\0CET\0Europe/Amsterdam\0"
    "Europe/Andorra\0Europe/Belgrade\0Europe/Berlin\0Europe/Bratislava\0Europe/Brussels\0Europe/Budapest\0Europe/Busingen\0"
    "Europe/Copenhagen\0Europe/Gibraltar\0Europe/Ljubljana\0Europe/Luxembourg\0Europe/Madrid\0Europe/Malta\0Europe/Monaco\0"
    "Europe/Oslo\0Europe/Paris\0Europe/Podgorica\0Europe/Prague\0Europe/Rome\0Europe/San_Marino\0Europe/Sarajevo\0"
    "Europe/Skopje\0Europe/Stockholm\0Europe/Tirane\0Europe/Vaduz\0Europe/Vatican\0Europe/Vienna\0Europe/Warsaw\0"
    "Europe/Zagreb\0Europe/Zurich\0Poland\0\0"
    "CST-8\0Asia/Chongqing\0Asia/Chungking\0Asia/Harbin\0Asia/Macao\0Asia/Macau\0Asia/Shanghai\0Asia/Taipei\0PRC\0ROC\0\0"
    "CST5CDT,M3.2.0/0,M11.1.0/1\0America/Havana\0Cuba\0\0"
    "CST6\0America/Bahia_Banderas\0America/Belize\0America/Chihuahua\0America/Costa_Rica\0America/El_Salvador\0"
    "America/Guatemala\0America/Managua\0America/Merida\0America/Mexico_City\0America/Monterrey\0America/Regina\0"
    "America/Swift_Current\0America/Tegucigalpa\0Canada/Saskatchewan\0Mexico/General\0\0"
    "CST6CDT,M3.2.0,M11.1.0\0America/Chicago\0America/Indiana/Knox\0America/Indiana/Tell_City\0America/Knox_IN\0"
    "America/Matamoros\0America/Menominee\0America/North_Dakota/Beulah\0America/North_Dakota/Center\0"
    "America/North_Dakota/New_Salem\0America/Ojinaga\0America/Rainy_River\0America/Rankin_Inlet\0America/Resolute\0"
    "America/Winnipeg\0CST6CDT\0Canada/Central\0US/Central\0US/Indiana-Starke\0\0"
    "ChST-10\0Pacific/Guam\0Pacific/Saipan\0\0"
    "EAT-3\0Africa/Addis_Ababa\0Africa/Asmara\0Africa/Asmera\0Africa/Dar_es_Salaam\0Africa/Djibouti\0Africa/Kampala\0"
    "Africa/Mogadishu\0Africa/Nairobi\0Indian/Antananarivo\0Indian/Comoro\0Indian/Mayotte\0\0"
    "EET-2\0Africa/Tripoli\0Europe/Kaliningrad\0Libya\0\0"
    "EET-2EEST,M3.4.4/50,M10.4.4/50\0Asia/Gaza\0Asia/Hebron\0\0"
    "EET-2EEST,M3.5.0,M10.5.0/3\0Europe/Chisinau\0Europe/Tiraspol\0\0"
    "EET-2EEST,M3.5.0/0,M10.5.0/0\0Asia/Beirut\0\0"
    "EET-2EEST,M3.5.0/3,M10.5.0/4\0Asia/Famagusta\0Asia/Nicosia\0EET\0Europe/Athens\0Europe/Bucharest\0Europe/Helsinki\0"
    "Europe/Kiev\0Europe/Kyiv\0Europe/Mariehamn\0Europe/Nicosia\0Europe/Riga\0Europe/Sofia\0Europe/Tallinn\0"
    "Europe/Uzhgorod\0Europe/Vilnius\0Europe/Zaporozhye\0\0"
    "EET-2EEST,M4.5.5/0,M10.5.4/24\0Africa/Cairo\0Egypt\0\0"
    "EST5\0America/Atikokan\0America/Cancun\0America/Cayman\0America/Coral_Harbour\0America/Jamaica\0America/Panama\0EST\0"
    "Jamaica\0\0"
    "EST5EDT,M3.2.0,M11.1.0\0America/Detroit\0America/Fort_Wayne\0America/Grand_Turk\0America/Indiana/Indianapolis\0"
    "America/Indiana/Marengo\0America/Indiana/Petersburg\0America/Indiana/Vevay\0America/Indiana/Vincennes\0"
    "America/Indiana/Winamac\0America/Indianapolis\0America/Iqaluit\0America/Kentucky/Louisville\0"
    "America/Kentucky/Monticello\0America/Louisville\0America/Montreal\0America/Nassau\0America/New_York\0America/Nipigon\0"
    "America/Pangnirtung\0America/Port-au-Prince\0America/Thunder_Bay\0America/Toronto\0Canada/Eastern\0EST5EDT\0"
    "US/East-Indiana\0US/Eastern\0US/Michigan\0\0"
    "GMT0\0Africa/Abidjan\0Africa/Accra\0Africa/Bamako\0Africa/Banjul\0Africa/Bissau\0Africa/Conakry\0Africa/Dakar\0"
    "Africa/Freetown\0Africa/Lome\0Africa/Monrovia\0Africa/Nouakchott\0Africa/Ouagadougou\0Africa/Sao_Tome\0"
    "Africa/Timbuktu\0America/Danmarkshavn\0Atlantic/Reykjavik\0Atlantic/St_Helena\0Etc/GMT\0Etc/GMT+0\0Etc/GMT-0\0"
    "Etc/GMT0\0Etc/Greenwich\0GMT\0GMT+0\0GMT-0\0GMT0\0Greenwich\0Iceland\0\0"
    "GMT0BST,M3.5.0/1,M10.5.0\0Europe/Belfast\0Europe/Guernsey\0Europe/Isle_of_Man\0Europe/Jersey\0Europe/London\0GB\0"
    "GB-Eire\0\0"
    "HKT-8\0Asia/Hong_Kong\0Hongkong\0\0"
    "HST10\0HST\0Pacific/Honolulu\0Pacific/Johnston\0US/Hawaii\0\0"
    "HST10HDT,M3.2.0,M11.1.0\0America/Adak\0America/Atka\0US/Aleutian\0\0"
    "IST-1GMT0,M10.5.0,M3.5.0/1\0Eire\0Europe/Dublin\0\0"
    "IST-2IDT,M3.4.4/26,M10.5.0\0Asia/Jerusalem\0Asia/Tel_Aviv\0Israel\0\0"
    "IST-5:30\0Asia/Calcutta\0Asia/Kolkata\0\0"
    "JST-9\0Asia/Tokyo\0Japan\0\0"
    "KST-9\0Asia/Pyongyang\0Asia/Seoul\0ROK\0\0"
    "MET-1MEST,M3.5.0,M10.5.0/3\0MET\0\0"
    "MSK-3\0Europe/Kirov\0Europe/Moscow\0Europe/Simferopol\0Europe/Volgograd\0W-SU\0\0"
    "MST7\0America/Creston\0America/Dawson\0America/Dawson_Creek\0America/Fort_Nelson\0America/Hermosillo\0"
    "America/Mazatlan\0America/Phoenix\0America/Whitehorse\0Canada/Yukon\0MST\0Mexico/BajaSur\0US/Arizona\0\0"
    "MST7MDT,M3.2.0,M11.1.0\0America/Boise\0America/Cambridge_Bay\0America/Ciudad_Juarez\0America/Denver\0"
    "America/Edmonton\0America/Inuvik\0America/Shiprock\0America/Yellowknife\0Canada/Mountain\0MST7MDT\0Navajo\0"
    "US/Mountain\0\0"
    "NST3:30NDT,M3.2.0,M11.1.0\0America/St_Johns\0Canada/Newfoundland\0\0"
    "NZST-12NZDT,M9.5.0,M4.1.0/3\0Antarctica/McMurdo\0Antarctica/South_Pole\0NZ\0Pacific/Auckland\0\0"
    "PKT-5\0Asia/Karachi\0\0"
    "PST-8\0Asia/Manila\0\0"
    "PST8PDT,M3.2.0,M11.1.0\0America/Ensenada\0America/Los_Angeles\0America/Santa_Isabel\0America/Tijuana\0"
    "America/Vancouver\0Canada/Pacific\0Mexico/BajaNorte\0PST8PDT\0US/Pacific\0\0"
    "SAST-2\0Africa/Johannesburg\0Africa/Maseru\0Africa/Mbabane\0\0"
    "SST11\0Pacific/Midway\0Pacific/Pago_Pago\0Pacific/Samoa\0US/Samoa\0\0"
    "UTC0\0Etc/UCT\0Etc/UTC\0Etc/Universal\0Etc/Zulu\0UCT\0UTC\0Universal\0Zulu\0\0"
    "WAT-1\0Africa/Bangui\0Africa/Brazzaville\0Africa/Douala\0Africa/Kinshasa\0Africa/Lagos\0Africa/Libreville\0"
    "Africa/Luanda\0Africa/Malabo\0Africa/Ndjamena\0Africa/Niamey\0Africa/Porto-Novo\0\0"
    "WET0WEST,M3.5.0/1,M10.5.0\0Atlantic/Canary\0Atlantic/Faeroe\0Atlantic/Faroe\0Atlantic/Madeira\0Europe/Lisbon\0"
    "Portugal\0WET\0\0"
    "WIB-7\0Asia/Jakarta\0Asia/Pontianak\0\0"
    "WIT-9\0Asia/Jayapura\0\0"
    "WITA-8\0Asia/Makassar\0Asia/Ujung_Pandang\0\0";

/* RFC 8536: a version 1 block that says nothing, then one transition long ago to a type that the rule replaces. */
enum { HEADER = 44, TRANSITION = 8 + 1 + 6 + 1, FILE_ROOM = 2 * HEADER + 6 + 1 + TRANSITION };
enum { VERSION_AT = 4, TRANSITIONS_AT = 32 + 3, TYPES_AT = 36 + 3, CHARACTERS_AT = 40 + 3 };

/* The rule of a zone; NULL if there is no such zone. */
static const char *rule_of(const char *zone)
{
    const char *at = zones;

    while (at < zones + sizeof zones - 1) {
        const char *rule = at;

        for (at += strlen(at) + 1; *at; at += strlen(at) + 1)
            if (!strcmp(at, zone))
                return rule;
        at++;
    }
    return NULL;
}

static uint8_t *write_header(uint8_t *into, int transitions)
{
    memcpy(into, "TZif2", VERSION_AT + 1);
    into[TRANSITIONS_AT] = (uint8_t)transitions;
    into[TYPES_AT] = into[CHARACTERS_AT] = 1;
    return into + HEADER;
}

/* The content of a zone's file; NULL without memory. */
static uint8_t *zone_file(const char *rule, size_t *size)
{
    uint8_t *content = calloc(1, FILE_ROOM + strlen(rule) + 2), *at = content;

    if (!content)
        return NULL;
    at = write_header(at, 0) + 6 + 1;
    at = write_header(at, 1);
    *at = 0x80; /* the earliest time there is */
    at += TRANSITION;
    *at++ = '\n';
    at = (uint8_t *)stpcpy((char *)at, rule);
    *at++ = '\n';
    *size = (size_t)(at - content);
    return content;
}

/* The folder of a zone, made on the way; `*zone` becomes the file's name. */
static struct node *folder_of(const char **zone)
{
    const char path[] = "usr\0share\0zoneinfo\0";
    struct node *at = tree_root();
    const char *slash;

    for (const char *part = path; at && *part; part += strlen(part) + 1) {
        struct node *child = tree_child(at, part, strlen(part));

        at = child ? child : tree_add(at, part, strlen(part), FOLDER_NODE);
    }
    while (at && (slash = strchr(*zone, '/'))) {
        size_t length = (size_t)(slash - *zone);
        struct node *child = tree_child(at, *zone, length);

        at = child ? child : tree_add(at, *zone, length, FOLDER_NODE);
        *zone = slash + 1;
    }
    return at && at->kind == FOLDER_NODE ? at : NULL;
}

static void print(const char *text)
{
    unishare_console_write(text, strlen(text));
}

static void refuse(const char *zone)
{
    print("unishare: the time zone ");
    print(zone);
    print(" is not known: times are UTC\n");
}

int zones_provide(const char *path)
{
    static const char first[] = "/usr/share/zoneinfo/", last[] = "/etc/zoneinfo/";
    const char *zone = path + sizeof first - 1, *rule;
    struct node *folder, *file;
    uint8_t *content;
    size_t size;

    if (!strncmp(path, last, sizeof last - 1))
        refuse(path + sizeof last - 1);
    if (strncmp(path, first, sizeof first - 1) || !(rule = rule_of(zone)) || !(content = zone_file(rule, &size)))
        return 0;
    tree_begin_image();
    folder = folder_of(&zone);
    file = folder ? tree_add(folder, zone, strlen(zone), FILE_NODE) : NULL;
    tree_end_image();
    if (!file) {
        free(content);
        return 0;
    }
    file->base = content;
    file->base_size = file->size = size;
    return 1;
}
