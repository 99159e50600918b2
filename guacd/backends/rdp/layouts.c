#include "guacd/backends/rdp/layouts.h"

#include "guacd/base/util.h"

/* clang-format off */
#define US_PLAIN "`1234567890-=" "qwertyuiop[]" "asdfghjkl;'\\" " zxcvbnm,./"
#define US_SHIFT "~!@#$%^&*()_+" "QWERTYUIOP{}" "ASDFGHJKL:\"|" " ZXCVBNM<>?"

const struct layout layouts[] = {
    { "en-us-qwerty", 0x00000409, { US_PLAIN, US_SHIFT } },
    { "en-gb-qwerty", 0x00000809, {
        "`1234567890-=" "qwertyuiop[]" "asdfghjkl;'#" "\\zxcvbnm,./",
        "¬!\"£$%^&*()_+" "QWERTYUIOP{}" "ASDFGHJKL:@~" "|ZXCVBNM<>?",
        "¦   €        " "  é   úíó   " "á           " "           " } },
    { "cs-cz-qwertz", 0x00000405, {
        ";+ěščřžýáíé= " "qwertzuiopú)" "asdfghjklů§ " "\\yxcvbnm,.-",
        " 1234567890% " "QWERTZUIOP/(" "ASDFGHJKL\"!'" "|YXCVBNM?:_",
        "             " "\\|€       ÷×" " đĐ[]  łŁ$ß¤" "  #&@{} <>*" } },
    { "da-dk-qwerty", 0x00000406, {
        "½1234567890+ " "qwertyuiopå " "asdfghjklæø'" "<zxcvbnm,.-",
        "§!\"#¤%&/()=? " "QWERTYUIOPÅ " "ASDFGHJKLÆØ*" ">ZXCVBNM;:_",
        "  @£$€ {[]} |" "  €         " "            " "\\      µ   " } },
    { "de-ch-qwertz", 0x00000807, {
        "§1234567890' " "qwertzuiopü " "asdfghjklöä$" "<yxcvbnm,.-",
        "°+\"*ç%&/()=? " "QWERTZUIOPè!" "ASDFGHJKLéà£" ">YXCVBNM;:_",
        " ¦@#  ¬|¢    " "  €       []" "          {}" "\\          " } },
    { "de-de-qwertz", 0x00000407, {
        " 1234567890ß " "qwertzuiopü+" "asdfghjklöä#" "<yxcvbnm,.-",
        "°!\"§$%&/()=? " "QWERTZUIOPÜ*" "ASDFGHJKLÖÄ'" ">YXCVBNM;:_",
        "  ²³   {[]}\\ " "@ €        ~" "            " "|      µ   " } },
    { "es-es-qwerty", 0x0000040A, {
        "º1234567890'¡" "qwertyuiop +" "asdfghjklñ ç" "<zxcvbnm,.-",
        "ª!\"·$%&/()=?¿" "QWERTYUIOP *" "ASDFGHJKLÑ Ç" ">ZXCVBNM;:_",
        "\\|@#  ¬      " "  €       []" "          {}" "           " } },
    { "es-latam-qwerty", 0x0000080A, {
        "|1234567890'¿" "qwertyuiop +" "asdfghjklñ{}" "<zxcvbnm,.-",
        "°!\"#$%&/()=?¡" "QWERTYUIOP *" "ASDFGHJKLÑ[]" ">ZXCVBNM;:_",
        "¬          \\ " "@          ~" "            " "           " } },
    { "fr-be-azerty", 0x0000080C, {
        "²&é\"'(§è!çà)-" "azertyuiop $" "qsdfghjklmùµ" "<wxcvbn,;:=",
        "³1234567890°_" "AZERTYUIOP *" "QSDFGHJKLM%£" ">WXCVBN?./+",
        " |@#  ^  {}  " "  €       []" "            " "\\          " } },
    { "fr-ca-qwerty", 0x00001009, {
        "#1234567890-=" "qwertyuiop  " "asdfghjkl; <" "«zxcvbnm,.é",
        "|!\"/$%?&*()_+" "QWERTYUIOP  " "ASDFGHJKL: >" "»ZXCVBNM'.É",
        "\\±@£¢¤¬¦²³¼½¾" "        §¶[]" "         ~{}" "°      µ   " } },
    { "fr-ch-qwertz", 0x0000100C, {
        "§1234567890' " "qwertzuiopè " "asdfghjkléà$" "<yxcvbnm,.-",
        "°+\"*ç%&/()=? " "QWERTZUIOPü!" "ASDFGHJKLöä£" ">YXCVBNM;:_",
        " ¦@#  ¬|¢    " "  €       []" "          {}" "\\          " } },
    { "fr-fr-azerty", 0x0000040C, {
        "²&é\"'(-è_çà)=" "azertyuiop $" "qsdfghjklmù*" "<wxcvbn,;:!",
        " 1234567890°+" "AZERTYUIOP £" "QSDFGHJKLM%µ" ">WXCVBN?./§",
        "   #{[| \\^@]}" "  €        ¤" "            " "           " } },
    { "hu-hu-qwertz", 0x0000040E, {
        "0123456789öüó" "qwertzuiopőú" "asdfghjkléáű" "íyxcvbnm,.-",
        "§'\"+!%/=()ÖÜÓ" "QWERTZUIOPŐÚ" "ASDFGHJKLÉÁŰ" "ÍYXCVBNM?:_",
        "             " "\\|Ä   €Í  ÷×" " đĐ[]  łŁ$ß¤" "<>#&@{} ; *" } },
    { "it-it-qwerty", 0x00000410, {
        "\\1234567890'ì" "qwertyuiopè+" "asdfghjklòàù" "<zxcvbnm,.-",
        "|!\"£$%&/()=?^" "QWERTYUIOPé*" "ASDFGHJKLç°§" ">ZXCVBNM;:_",
        "             " "  €       []" "         @# " "           " } },
    { "ja-jp-qwerty", 0x00000411, {
        " 1234567890-^" "qwertyuiop@[" "asdfghjkl;:]" " zxcvbnm,./" "\\¥",
        " !\"#$%&'() =~" "QWERTYUIOP`{" "ASDFGHJKL+*}" " ZXCVBNM<>?" "_|" } },
    { "no-no-qwerty", 0x00000414, {
        "|1234567890+\\" "qwertyuiopå " "asdfghjkløæ'" "<zxcvbnm,.-",
        "§!\"#¤%&/()=? " "QWERTYUIOPÅ " "ASDFGHJKLØÆ*" ">ZXCVBNM;:_",
        "  @£$€ {[]}  " "  €         " "            " "       µ   " } },
    { "pl-pl-qwerty", 0x00000415, { US_PLAIN, US_SHIFT,
        "             " "  ę   € ó   " "ąś      ł   " " żźć  ń    ",
        "             " "  Ę     Ó   " "ĄŚ      Ł   " " ŻŹĆ  Ń    " } },
    { "pt-br-qwerty", 0x00000416, {
        "'1234567890-=" "qwertyuiop [" "asdfghjklç ]" "\\zxcvbnm,.;" "/",
        "\"!@#$% &*()_+" "QWERTYUIOP {" "ASDFGHJKLÇ }" "|ZXCVBNM<>:" "?",
        " ¹²³£¢¬     §" "/?          " "           º" "           " } },
    { "pt-pt-qwerty", 0x00000816, {
        "\\1234567890'«" "qwertyuiop+ " "asdfghjklçº " "<zxcvbnm,.-",
        "|!\"#$%&/()=?»" "QWERTYUIOP* " "ASDFGHJKLÇª " ">ZXCVBNM;:_",
        "  @£§€ {[]}  " "  €         " "            " "           " } },
    { "ro-ro-qwerty", 0x00010418, {
        "„1234567890-=" "qwertyuiopăî" "asdfghjklșțâ" "\\zxcvbnm,./",
        "”!@#$%^&*()_+" "QWERTYUIOPĂÎ" "ASDFGHJKLȘȚÂ" "|ZXCVBNM;:?" } },
    { "sv-se-qwerty", 0x0000041D, {
        "§1234567890+ " "qwertyuiopå " "asdfghjklöä'" "<zxcvbnm,.-",
        "½!\"#¤%&/()=? " "QWERTYUIOPÅ " "ASDFGHJKLÖÄ*" ">ZXCVBNM;:_",
        "  @£$€ {[]}\\ " "  €         " "            " "|      µ   " } },
    { "tr-tr-qwerty", 0x0000041F, {
        "\"1234567890*-" "qwertyuıopğü" "asdfghjklşi," "<zxcvbnmöç.",
        "é!' +%&/()=?_" "QWERTYUIOPĞÜ" "ASDFGHJKLŞİ;" ">ZXCVBNMÖÇ:",
        "<>£#$½ {[]}\\|" "@ €         " "            " "           " } },
};
/* clang-format on */

const size_t layout_count = ARRAY_LEN(layouts);
