// What ActiveMQ's own client does to a broker, one scenario a method: --uri URI [--only NAME].
// Prints a line for each: {"scenario","ok","problem"}.

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

public final class Scenarios {
    private static final List<Class<?>> ROOMS = List.of(
            Acknowledging.class, Transacted.class, Destinations.class, Consuming.class, Advising.class,
            Refusing.class);

    public static void main(String[] arguments) throws Exception {
        Json.endWithMain();
        Json.endWithStdin();
        Flags flags = new Flags(arguments);
        String uri = flags.required("uri");
        String only = flags.text("only", "");
        flags.done();
        for (Class<?> room : ROOMS) {
            Method[] methods = room.getDeclaredMethods();
            Arrays.sort(methods, Comparator.comparing(Method::getName));
            for (Method method : methods) {
                boolean isScenario = Modifier.isStatic(method.getModifiers())
                        && Arrays.equals(method.getParameterTypes(), new Class<?>[] {Lab.class});
                if (isScenario && method.getName().contains(only)) {
                    play(room, method, uri);
                }
            }
        }
        System.exit(0);
    }

    private static void play(Class<?> room, Method method, String uri) throws Exception {
        String name = room.getSimpleName() + "." + method.getName();
        ObjectNode line = Json.object().put("scenario", name);
        try (Lab lab = new Lab(uri, name)) {
            method.setAccessible(true);
            method.invoke(null, lab);
            line.put("ok", true);
        } catch (InvocationTargetException wrapped) {
            Throwable cause = wrapped.getCause();
            String at = Arrays.stream(cause.getStackTrace())
                    .filter(element -> element.getClassName().equals(room.getName()))
                    .map(element -> " at line " + element.getLineNumber())
                    .findFirst().orElse("");
            line.put("ok", false).put("problem", cause + at);
        }
        Json.print(line);
    }

    private Scenarios() {}
}
